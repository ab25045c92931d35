#pragma once

/* The commands that run in user systems, for src/engine alone: see engine/system-exec.h. */

struct exec_table;

struct exec_table *exec_table_new(void);
/* Ends them all.  Nobody reads or writes any more.  NULL is fine. */
void exec_table_free(struct exec_table *table);

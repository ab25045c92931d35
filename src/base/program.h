#pragma once

/* Flocker's own programs: where one of them finds another. */

/*
 * The absolute path of a program that the user does not call: beside this one in a build tree
 * (`folder`/`name` in the directory above), else where it is installed.  Heap; NULL: it is
 * missing.
 */
char *program_find(const char *folder, const char *name);

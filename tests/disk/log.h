#pragma once

/*
 * The log of a fault disk: everything that was written to one or several disks,
 * and every flush, in one order.
 *
 * LOG holds the records below, one after the other, in this machine's byte
 * order: it never leaves it.  A position in the log is a number of records, so
 * that anyone can tell the present one from the size of the file.  LOG.data
 * holds the bytes that were written.
 */

#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

enum record_kind { RECORD_WRITE = 1, RECORD_ZERO, RECORD_FLUSH };

struct record {
	uint32_t kind;	 /* enum record_kind */
	uint32_t disk;	 /* which one, from 0 */
	uint64_t offset; /* WRITE, ZERO: bytes from the disk's beginning */
	uint64_t length; /* bytes */
	uint64_t data;	 /* WRITE: where its bytes begin in LOG.data */
};

/* Being written.  Its owner serializes the calls. */
struct log_writer {
	int records, data; /* descriptors */
	uint64_t end;	   /* of the data */
};

must_check int log_create(const char *path, struct log_writer *ret, struct fl_error *err);

/* `bytes`: what a RECORD_WRITE wrote.  The record is in the file when it returns. */
must_check int log_add(struct log_writer *log, struct record record, const void *bytes,
		       struct fl_error *err);

/* Being read: both files mapped; zeroed when nothing is. */
struct log_reader {
	const struct record *records;
	const uint8_t *data;
	uint64_t count;
	uint64_t data_size;
};

must_check int log_open(const char *path, struct log_reader *ret, struct fl_error *err);
void log_close(struct log_reader *log);

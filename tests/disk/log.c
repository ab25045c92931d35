#include "log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PATH 4096

static const char *data_path(const char *path, char buffer[static PATH])
{
	snprintf(buffer, PATH, "%s.data", path);
	return buffer;
}

static int make(const char *path, int *ret_fd, struct fl_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		return fl_fail_errno(err, "cannot make '%s'", path);
	*ret_fd = fd;
	return 0;
}

int log_create(const char *path, struct log_writer *ret, struct fl_error *err)
{
	own_fd int records = -1;
	own_fd int data = -1;
	char buffer[PATH];

	if (make(path, &records, err) < 0 || make(data_path(path, buffer), &data, err) < 0)
		return fl_failed(err);
	*ret = (struct log_writer){ .records = take_fd(records), .data = take_fd(data) };
	return 0;
}

static int append(int fd, const void *bytes, size_t length, struct fl_error *err)
{
	const char *at = bytes;

	while (length > 0) {
		ssize_t n = write(fd, at, length);

		if (n < 0)
			return fl_fail_errno(err, "cannot write to the log");
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

int log_add(struct log_writer *log, struct record record, const void *bytes, struct fl_error *err)
{
	record.data = log->end;
	if (record.kind == RECORD_WRITE) {
		if (append(log->data, bytes, record.length, err) < 0)
			return fl_failed(err);
		log->end += record.length;
	}
	return append(log->records, &record, sizeof(record), err);
}

/* An empty file maps to NULL. */
static int map(const char *path, const void **ret, uint64_t *ret_size, struct fl_error *err)
{
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *at;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fl_fail_errno(err, "cannot open '%s'", path);
	*ret = NULL;
	*ret_size = (uint64_t)st.st_size;
	if (st.st_size == 0)
		return 0;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return fl_fail_errno(err, "cannot map '%s'", path);
	*ret = at;
	return 0;
}

int log_open(const char *path, struct log_reader *ret, struct fl_error *err)
{
	const void *records, *data;
	uint64_t records_size, data_size;
	char buffer[PATH];

	if (map(path, &records, &records_size, err) < 0 ||
	    map(data_path(path, buffer), &data, &data_size, err) < 0)
		return fl_failed(err);
	*ret = (struct log_reader){ .records = records,
				    .data = data,
				    .count = records_size / sizeof(struct record),
				    .data_size = data_size };
	return 0;
}

static void unmap(const void *at, uint64_t size)
{
	if (at)
		munmap((void *)(uintptr_t)at, size);
}

void log_close(struct log_reader *log)
{
	unmap(log->records, log->count * sizeof(struct record));
	unmap(log->data, log->data_size);
	*log = (struct log_reader){ 0 };
}

#include "catalog/checksum-vfs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * How it works.  A database is made with CHECKSUM_BYTES of reserved space at the
 * end of each page; SQLite leaves these bytes alone.  On the way to the disk
 * (in WAL mode: at a checkpoint) they get a hash of the rest of the page and of
 * its number; on the way back the hash is made again and compared.  A page that
 * does not match is an I/O error (SQLITE_IOERR_DATA), never data.
 *
 * The hash is a chain of steps h = rotate((h ^ word) * odd), each a bijection
 * of h for a given word and of the word for a given h.  So damage within one
 * word always changes the result, and other damage escapes with a chance of
 * 2^-64.  The number of the page in the seed finds pages that were written to
 * the wrong place.
 *
 * SQLite reads the first 100 bytes of the file on their own, before it looks at
 * the WAL.  Those reads are not checked: after a power cut in the middle of a
 * checkpoint page 1 may be torn in the file while the WAL still holds it whole.
 * The page itself is checked when it is read as a page.  For the same reason
 * checksum_verify() wants the WAL empty.  A page of zeros was never written (a
 * hole that SQLite left for a free page); where a table needs it, SQLite itself
 * refuses it.
 *
 * Only files opened as main databases are wrapped; the others get the methods
 * of the VFS below directly.  There is no xFetch, so nothing is ever mapped
 * past the check.
 */

struct checked_file {
	sqlite3_file base;
	sqlite3_file *below; /* lies behind this struct, in the same allocation */
};

static sqlite3_vfs vfs;

static sqlite3_vfs *below_vfs(sqlite3_vfs *v)
{
	return v->pAppData;
}

static sqlite3_file *below(sqlite3_file *file)
{
	return ((struct checked_file *)file)->below;
}

/* --- the checksum ------------------------------------------------------- */

static uint64_t page_hash(const uint8_t page[CHECKSUM_PAGE], uint64_t number)
{
	uint64_t h = number * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0xc2b2ae3d27d4eb4f);
	uint64_t word;

	for (size_t at = 0; at < CHECKSUM_PAGE - CHECKSUM_BYTES; at += sizeof(word)) {
		memcpy(&word, page + at, sizeof(word));
		h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
		h = h << 29 | h >> 35;
	}
	h ^= h >> 32;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 29;
}

static bool page_is_zero(const uint8_t page[CHECKSUM_PAGE])
{
	return page[0] == 0 && memcmp(page, page + 1, CHECKSUM_PAGE - 1) == 0;
}

static bool page_is_good(const uint8_t page[CHECKSUM_PAGE], uint64_t number)
{
	uint64_t stored;

	memcpy(&stored, page + CHECKSUM_PAGE - CHECKSUM_BYTES, sizeof(stored));
	return stored == page_hash(page, number) || page_is_zero(page);
}

/* --- the methods of a checked file -------------------------------------- */

static int checked_close(sqlite3_file *file)
{
	return below(file)->pMethods->xClose(below(file));
}

static int checked_read(sqlite3_file *file, void *buffer, int amount, sqlite3_int64 offset)
{
	int result = below(file)->pMethods->xRead(below(file), buffer, amount, offset);

	if (result != SQLITE_OK || amount < 512)
		return result;
	/* A page size other than ours: the header is damaged, or this is not a catalogue. */
	if (amount != CHECKSUM_PAGE || offset % CHECKSUM_PAGE != 0)
		return SQLITE_IOERR_DATA;
	if (!page_is_good(buffer, (uint64_t)offset / CHECKSUM_PAGE))
		return SQLITE_IOERR_DATA;
	return SQLITE_OK;
}

static int checked_write(sqlite3_file *file, const void *buffer, int amount, sqlite3_int64 offset)
{
	uint8_t page[CHECKSUM_PAGE];
	uint64_t hash;

	if (amount != CHECKSUM_PAGE || offset % CHECKSUM_PAGE != 0)
		return SQLITE_IOERR_WRITE;
	memcpy(page, buffer, sizeof(page));
	hash = page_hash(page, (uint64_t)offset / CHECKSUM_PAGE);
	memcpy(page + CHECKSUM_PAGE - CHECKSUM_BYTES, &hash, sizeof(hash));
	return below(file)->pMethods->xWrite(below(file), page, amount, offset);
}

static int checked_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return below(file)->pMethods->xTruncate(below(file), size);
}

static int checked_sync(sqlite3_file *file, int flags)
{
	return below(file)->pMethods->xSync(below(file), flags);
}

static int checked_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	return below(file)->pMethods->xFileSize(below(file), ret);
}

static int checked_lock(sqlite3_file *file, int level)
{
	return below(file)->pMethods->xLock(below(file), level);
}

static int checked_unlock(sqlite3_file *file, int level)
{
	return below(file)->pMethods->xUnlock(below(file), level);
}

static int checked_reserved(sqlite3_file *file, int *ret)
{
	return below(file)->pMethods->xCheckReservedLock(below(file), ret);
}

static int checked_control(sqlite3_file *file, int operation, void *arg)
{
	return below(file)->pMethods->xFileControl(below(file), operation, arg);
}

static int checked_sector_size(sqlite3_file *file)
{
	return below(file)->pMethods->xSectorSize(below(file));
}

static int checked_characteristics(sqlite3_file *file)
{
	return below(file)->pMethods->xDeviceCharacteristics(below(file));
}

static int checked_shm_map(sqlite3_file *file, int region, int size, int extend,
			   void volatile **ret)
{
	return below(file)->pMethods->xShmMap(below(file), region, size, extend, ret);
}

static int checked_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
	return below(file)->pMethods->xShmLock(below(file), offset, count, flags);
}

static void checked_shm_barrier(sqlite3_file *file)
{
	below(file)->pMethods->xShmBarrier(below(file));
}

static int checked_shm_unmap(sqlite3_file *file, int remove)
{
	return below(file)->pMethods->xShmUnmap(below(file), remove);
}

static const sqlite3_io_methods checked_methods = {
	.iVersion = 2, /* without xFetch */
	.xClose = checked_close,
	.xRead = checked_read,
	.xWrite = checked_write,
	.xTruncate = checked_truncate,
	.xSync = checked_sync,
	.xFileSize = checked_size,
	.xLock = checked_lock,
	.xUnlock = checked_unlock,
	.xCheckReservedLock = checked_reserved,
	.xFileControl = checked_control,
	.xSectorSize = checked_sector_size,
	.xDeviceCharacteristics = checked_characteristics,
	.xShmMap = checked_shm_map,
	.xShmLock = checked_shm_lock,
	.xShmBarrier = checked_shm_barrier,
	.xShmUnmap = checked_shm_unmap,
};

/* --- the VFS ------------------------------------------------------------ */

static int vfs_open(sqlite3_vfs *v, const char *path, sqlite3_file *file, int flags, int *ret_flags)
{
	struct checked_file *checked = (struct checked_file *)file;
	int result;

	if (!(flags & SQLITE_OPEN_MAIN_DB))
		return below_vfs(v)->xOpen(below_vfs(v), path, file, flags, ret_flags);
	checked->base.pMethods = NULL;
	checked->below = (sqlite3_file *)(checked + 1);
	result = below_vfs(v)->xOpen(below_vfs(v), path, checked->below, flags, ret_flags);
	/* SQLite closes a file whose methods are set, even when opening failed. */
	if (checked->below->pMethods)
		checked->base.pMethods = &checked_methods;
	return result;
}

static int vfs_delete(sqlite3_vfs *v, const char *path, int sync)
{
	return below_vfs(v)->xDelete(below_vfs(v), path, sync);
}

static int vfs_access(sqlite3_vfs *v, const char *path, int flags, int *ret)
{
	return below_vfs(v)->xAccess(below_vfs(v), path, flags, ret);
}

static int vfs_full_path(sqlite3_vfs *v, const char *path, int size, char *ret)
{
	return below_vfs(v)->xFullPathname(below_vfs(v), path, size, ret);
}

static int vfs_randomness(sqlite3_vfs *v, int size, char *ret)
{
	return below_vfs(v)->xRandomness(below_vfs(v), size, ret);
}

static int vfs_sleep(sqlite3_vfs *v, int microseconds)
{
	return below_vfs(v)->xSleep(below_vfs(v), microseconds);
}

static int vfs_time(sqlite3_vfs *v, double *ret)
{
	return below_vfs(v)->xCurrentTime(below_vfs(v), ret);
}

static int vfs_last_error(sqlite3_vfs *v, int size, char *ret)
{
	return below_vfs(v)->xGetLastError(below_vfs(v), size, ret);
}

static sqlite3_vfs vfs = {
	.iVersion = 1,
	.zName = "flocker-checksum",
	.xOpen = vfs_open,
	.xDelete = vfs_delete,
	.xAccess = vfs_access,
	.xFullPathname = vfs_full_path,
	.xRandomness = vfs_randomness,
	.xSleep = vfs_sleep,
	.xCurrentTime = vfs_time,
	.xGetLastError = vfs_last_error,
};

static void register_vfs(void)
{
	sqlite3_vfs *system;

	/* Before anything else: its counters are one lock that all connections share. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	system = sqlite3_vfs_find(NULL);
	vfs.pAppData = system;
	vfs.mxPathname = system->mxPathname;
	vfs.szOsFile = (int)sizeof(struct checked_file) + system->szOsFile;
	sqlite3_vfs_register(&vfs, 0);
}

const char *checksum_vfs(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_vfs);
	return vfs.zName;
}

int checksum_verify(sqlite3 *db, struct fl_error *err)
{
	uint8_t page[CHECKSUM_PAGE];
	sqlite3_file *file = NULL;
	sqlite3_int64 size;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
	    file->pMethods != &checked_methods ||
	    file->pMethods->xFileSize(file, &size) != SQLITE_OK)
		return fl_fail(err, FL_SYSTEM, "the catalogue's file cannot be examined");
	if (size % CHECKSUM_PAGE != 0)
		return fl_fail(err, FL_CORRUPT, "the catalogue's last page is cut");
	for (sqlite3_int64 at = 0; at < size; at += CHECKSUM_PAGE) {
		int result = file->pMethods->xRead(file, page, CHECKSUM_PAGE, at);

		if (result == SQLITE_IOERR_DATA)
			return fl_fail(err, FL_CORRUPT, "page %lld of the catalogue is damaged",
				       (long long)(at / CHECKSUM_PAGE + 1));
		if (result != SQLITE_OK)
			return fl_fail(err, FL_SYSTEM, "reading page %lld of the catalogue: %s",
				       (long long)(at / CHECKSUM_PAGE + 1), sqlite3_errstr(result));
	}
	return 0;
}

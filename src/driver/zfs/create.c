#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/mount.h"
#include "driver/zfs/pool.h"

/*
 * Making a pool: a ZFS pool in a file if there is to be one, and in it our dataset,
 * which gets its identity in the call that makes it.  Until then leaving the scope
 * removes what was made.
 */

#define MINIMUM_SIZE (UINT64_C(128) << 20)

struct creation {
	const struct pool_spec *spec;
	struct medium medium;
	char zpool[ZFS_NAME], dataset[ZFS_NAME];
	bool file_made, zpool_made, committed;
};

static void creation_end(struct creation *creation)
{
	struct fl_error ignored;

	/* Once made, a pool in a file waits for its opening: it is imported there. */
	if (creation->zpool_made && creation->committed)
		(void)!zpool_do(&ignored, "export", creation->zpool);
	else if (creation->zpool_made)
		(void)!zpool_do(&ignored, "destroy", creation->zpool);
	if (creation->file_made && !creation->committed)
		(void)!fsat_unlink(AT_FDCWD, creation->spec->path, &ignored);
	medium_done(&creation->medium);
}

/* --- the dataset --------------------------------------------------------------------------- */

static size_t dataset_options(const struct creation *creation, bool kernel,
			      const char *options[static 16])
{
	size_t n = 0;

	options[n++] = "atime=off";
	options[n++] = "canmount=off";
	if (creation->spec->compress)
		options[n++] = "compression=on";
	if (kernel) {
		options[n++] = "xattr=sa";
		options[n++] = "acltype=posixacl";
	}
	return n;
}

static int make_dataset(struct creation *creation, const struct pool_identity *identity,
			const struct zfs_features *features, struct fl_error *err)
{
	own_text struct text property = { 0 };
	char place[PLACE_PATH] = "legacy", mountpoint[PLACE_PATH + 16];
	const char *options[16], *arguments[32] = { "create" };
	size_t count, n = 1;

	if (!features->kernel)
		place_directory(creation->dataset, place);
	snprintf(mountpoint, sizeof(mountpoint), "mountpoint=%s", place);
	identity_property(identity, &property);
	count = dataset_options(creation, features->kernel, options);
	options[count++] = mountpoint;
	options[count++] = text_get(&property);
	for (size_t i = 0; i < count; i++) {
		arguments[n++] = "-o";
		arguments[n++] = options[i];
	}
	arguments[n++] = creation->dataset;
	if (zfs_run(PROGRAM_ZFS, arguments, 0, NULL, err) < 0)
		return fl_wrap(err, "making the dataset '%s'", creation->dataset);
	creation->committed = true;
	return 0;
}

/* --- in a file ------------------------------------------------------------------------------- */

static int check_contents(struct creation *creation, struct fl_error *err)
{
	const struct pool_spec *spec = creation->spec;
	char contents[MEDIUM_CONTENTS], label[ZFS_NAME] = "";
	struct stat st;

	if (medium_contents(&creation->medium, contents, err) < 0)
		return fl_failed(err);
	if (strcmp(contents, "zfs_member") == 0 &&
	    medium_label(&creation->medium, "LABEL", label, err) < 0)
		return fl_failed(err);
	if (strncmp(label, "flocker-", 8) == 0) { /* never overwritten, not by force either */
		fl_fail(err, FL_EXISTS, "'%s' is a Flocker pool already", spec->path);
		return fl_hint(err, "use it with 'flocker pool adopt', or remove it first");
	}
	if (spec->force || fstat(creation->medium.lock, &st) < 0 || st.st_size == 0)
		return 0;
	fl_fail(err, FL_BUSY, "'%s' holds %s", spec->path, contents[0] ? contents : "data");
	return fl_hint(err, "choose another place, or overwrite it with --force");
}

static int claim_file(struct creation *creation, struct fl_error *err)
{
	int rc;

	rc = medium_make(creation->spec, &creation->medium, err);
	creation->file_made = rc == 0;
	if (rc != -FL_EXISTS)
		return rc;
	if (medium_open(creation->spec, &creation->medium, err) < 0)
		return fl_failed(err);
	return check_contents(creation, err);
}

/* Named by the first half of the pool's UUID, so that no two of them have one name. */
static void name_zpool(struct creation *creation, const struct pool_identity *identity)
{
	char uuid[UUID_TEXT];

	snprintf(creation->zpool, sizeof(creation->zpool), "flocker-%.18s",
		 uuid_format(&identity->pool, uuid));
	snprintf(creation->dataset, sizeof(creation->dataset), "%.64s/flocker", creation->zpool);
}

static int create_in_file(struct creation *creation, const struct pool_identity *identity,
			  const struct zfs_features *features, struct fl_error *err)
{
	const struct pool_spec *spec = creation->spec;
	const uint64_t size = spec->size - spec->size % 4096;

	if (size < MINIMUM_SIZE)
		return fl_fail(err, FL_INVALID, "a ZFS pool needs at least %llu MiB",
			       (unsigned long long)(MINIMUM_SIZE >> 20));
	if (claim_file(creation, err) < 0)
		return fl_failed(err);
	if (ftruncate(creation->medium.lock, 0) < 0)
		return fl_fail_errno(err, "cannot empty '%s'", spec->path);
	if (medium_enlarge(spec, &creation->medium, size, err) < 0)
		return fl_failed(err);
	name_zpool(creation, identity);
	if (zpool_do(err, "create", "-m", "none", "-o", "cachefile=none", creation->zpool,
		     creation->medium.path) < 0)
		return fl_wrap(err, "making a ZFS pool in '%s'", spec->path);
	creation->zpool_made = true;
	return make_dataset(creation, identity, features, err);
}

/* --- in a ZFS pool that exists --------------------------------------------- */

static int check_dataset(struct creation *creation, struct fl_error *err)
{
	own_text struct text value = { 0 };
	int rc;

	rc = property_get(creation->dataset, POOL_PROPERTY, true, &value, err);
	if (rc == 0 && value.length > 0) {
		fl_fail(err, FL_EXISTS, "'%s' is a Flocker pool already", creation->dataset);
		return fl_hint(err, "use it with 'flocker pool adopt'");
	}
	if (rc == 0) {
		fl_fail(err, FL_BUSY, "there is a dataset '%s', which is not Flocker's",
			creation->dataset);
		return fl_hint(err, "name one that does not exist yet: %.40s/NAME",
			       creation->zpool);
	}
	return rc == -FL_NOT_FOUND ? 0 : rc;
}

static int create_dataset(struct creation *creation, const struct pool_identity *identity,
			  const struct zfs_features *features, struct fl_error *err)
{
	own_text struct text type = { 0 };

	if (dataset_of(creation->spec, creation->zpool, creation->dataset, err) < 0)
		return fl_failed(err);
	if (property_get(creation->zpool, "type", false, &type, err) < 0) {
		if (err->code != FL_NOT_FOUND)
			return fl_failed(err);
		fl_fail(err, FL_NOT_FOUND, "there is no ZFS pool '%s'", creation->zpool);
		return fl_hint(err, "import it, or make a pool in a file: --zfs-file PATH");
	}
	if (check_dataset(creation, err) < 0)
		return fl_failed(err);
	return make_dataset(creation, identity, features, err);
}

int zfs_available(struct fl_error *err)
{
	struct fl_error why;

	if (mount_check_type("zfs", &why) < 0 && why.code == FL_DENIED) {
		fl_fail(err, FL_DENIED, "%s", why.text);
		return fl_hint(err, "run flockerd as root: it has to mount");
	}
	return zfs_check(err);
}

int zfs_create(const struct pool_spec *spec, const struct pool_identity *identity,
	       struct fl_error *err)
{
	own(creation_end) struct creation creation = { .spec = spec, .medium = MEDIUM_NONE };
	struct zfs_features features;

	if (zfs_probe(&features, err) < 0)
		return fl_failed(err);
	switch (spec->kind) {
	case POOL_FILE:
		return create_in_file(&creation, identity, &features, err);
	case POOL_DATASET:
		return create_dataset(&creation, identity, &features, err);
	default:
		return fl_fail(err, FL_UNSUPPORTED, "the zfs driver makes no pool in %s",
			       pool_kind_names[spec->kind]);
	}
}

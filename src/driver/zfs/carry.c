#include "driver/zfs/carry.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "driver/zfs/pieces.h"
#include "driver/zfs/pool.h"

#define FACTS_PROPERTY "flocker:facts."
#define NOTE_PROPERTY "flocker:note"
#define OUTPUT_LIMIT (1ul << 30)

/* --- the table of facts ------------------------------------------------------------------ */

void facts_table_done(struct facts_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		free(table->entries[i].text);
		free(table->entries[i].carriers);
	}
	free(table->entries);
	*table = (struct facts_table){ 0 };
}

static struct facts_entry *find_entry(const struct facts_table *table, const struct uuid *branch)
{
	for (size_t i = 0; i < table->count; i++)
		if (uuid_equal(&table->entries[i].branch, branch))
			return &table->entries[i];
	return NULL;
}

static struct facts_entry *get_entry(struct facts_table *table, const struct uuid *branch)
{
	struct facts_entry *entry = find_entry(table, branch);

	if (entry)
		return entry;
	entry = array_add(table->entries, table->count);
	entry->branch = *branch;
	return entry;
}

static void add_carrier(struct facts_entry *entry, uint64_t id)
{
	for (size_t i = 0; i < entry->carrier_count; i++)
		if (entry->carriers[i] == id)
			return;
	*array_add(entry->carriers, entry->carrier_count) = id;
}

static char *facts_base(const struct uuid *branch, char base[static PROPERTY_NAME])
{
	char text[UUID_TEXT];

	snprintf(base, PROPERTY_NAME, FACTS_PROPERTY "%s", uuid_format(branch, text));
	return base;
}

void carry_facts(struct zfs_pool *pool, const struct uuid *branch, const char *text)
{
	own_lock(guard, &pool->mutex);
	struct facts_entry *entry = get_entry(&pool->facts, branch);

	if (entry->text && strcmp(entry->text, text) == 0)
		return;
	free(entry->text);
	entry->text = xstrdup(text);
	entry->waiting = true;
}

char *carried_facts(struct zfs_pool *pool, const struct uuid *branch)
{
	own_lock(guard, &pool->mutex);
	const struct facts_entry *entry = find_entry(&pool->facts, branch);

	return entry && entry->text ? xstrdup(entry->text) : NULL;
}

static struct uuid *copy_branches(struct zfs_pool *pool, size_t *ret_count)
{
	own_lock(guard, &pool->mutex);
	struct uuid *branches = xcalloc(pool->facts.count + 1, sizeof(*branches));

	for (size_t i = 0; i < pool->facts.count; i++)
		branches[i] = pool->facts.entries[i].branch;
	*ret_count = pool->facts.count;
	return branches;
}

int carried_branches(struct zfs_pool *pool,
		     int (*each)(void *arg, const struct uuid *branch, struct fl_error *err),
		     void *arg, struct fl_error *err)
{
	size_t count = 0;
	own_free struct uuid *branches = copy_branches(pool, &count);

	for (size_t i = 0; i < count; i++)
		if (each(arg, &branches[i], err) < 0)
			return fl_failed(err);
	return 0;
}

/* --- reading --------------------------------------------------------------------------------- */

/* What was read of one dataset or snapshot; borrowed from what `zfs get` printed. */
struct reading {
	struct zfs_pool *pool;
	const char *name;
	struct property *properties;
	size_t count;
	size_t hint; /* where in the index the one before was */
};

/* They come in much the order of the index, so the next is looked for behind the last. */
static struct item *find_item(struct reading *reading)
{
	const struct index *index = &reading->pool->index;
	char name[ZFS_NAME];
	uint64_t id;

	if (!component_id(reading->name, &id))
		return NULL;
	for (size_t i = 0; i < index->count; i++) {
		size_t at = (reading->hint + i) % index->count;
		struct item *item = index->items[at];

		if (item->id != id)
			continue;
		reading->hint = at;
		return strcmp(item_name(item, name), reading->name) == 0 ? item : NULL;
	}
	return NULL;
}

static void take_facts(struct reading *reading, const struct item *item, const char *base)
{
	struct facts_table *table = &reading->pool->facts;
	own_text struct text text = { 0 };
	struct facts_entry *entry;
	struct fl_error ignored;
	struct uuid branch;
	uint64_t serial;

	if (uuid_parse(base + strlen(FACTS_PROPERTY), &branch, &ignored) < 0 ||
	    !pieces_join(base, reading->properties, reading->count, &serial, &text))
		return;
	entry = get_entry(table, &branch);
	add_carrier(entry, item->id);
	if (entry->text && entry->serial >= serial)
		return;
	free(entry->text);
	entry->text = text_take(&text);
	entry->serial = serial;
}

static void take_note(struct reading *reading, struct item *item)
{
	own_text struct text text = { 0 };

	if (pieces_join(NOTE_PROPERTY, reading->properties, reading->count, &item->note_serial,
			&text))
		item->note = text_take(&text);
}

static void take_all(struct reading *reading)
{
	struct item *item = reading->count ? find_item(reading) : NULL;

	for (size_t i = 0; item && i < reading->count; i++) {
		const char *name = reading->properties[i].name;

		if (strcmp(name, NOTE_PROPERTY) == 0)
			take_note(reading, item);
		else if (!item->home && strncmp(name, FACTS_PROPERTY, strlen(FACTS_PROPERTY)) == 0)
			take_facts(reading, item, name);
	}
	reading->count = 0;
}

static void add_property(struct reading *reading, const struct get_line *line)
{
	if (strcmp(line->source, "local") != 0 || strncmp(line->property, "flocker:", 8) != 0)
		return;
	*array_add(reading->properties, reading->count) = (struct property){ line->property,
									     line->value };
}

static void take_lines(struct zfs_pool *pool, char *rest)
{
	struct reading reading = { .pool = pool, .name = "" };
	struct get_line line;

	while (get_line_next(&rest, &line)) {
		if (strlen(line.name) >= ZFS_NAME)
			continue;
		if (strcmp(line.name, reading.name) != 0) {
			take_all(&reading);
			reading.name = line.name;
		}
		add_property(&reading, &line);
	}
	take_all(&reading);
	free(reading.properties);
}

int carry_read(struct zfs_pool *pool, struct fl_error *err)
{
	const char *const arguments[] = { "get", "-r",		"-H", "-p",
					  "-s",	 "local",	"-o", "name,property,value,source",
					  "all", pool->dataset, NULL };
	own_text struct text text = { 0 };
	own_free char *lines = NULL;

	if (zfs_run(PROGRAM_ZFS, arguments, OUTPUT_LIMIT, &text, err) < 0)
		return fl_wrap(err, "reading what '%s' carries", pool->dataset);
	lines = text_take(&text);
	take_lines(pool, lines);
	return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

/* One text that waits; a copy. */
struct errand {
	bool is_note;
	struct uuid branch; /* facts */
	uint64_t id;	    /* of the item that is to carry it */
	char name[ZFS_NAME];
	char *text;
	uint64_t serial;
};

struct errands {
	struct errand *items;
	size_t count;
};

static void errands_done(struct errands *errands)
{
	for (size_t i = 0; i < errands->count; i++)
		free(errands->items[i].text);
	free(errands->items);
}

static void add_errand(struct errands *errands, const struct errand *errand)
{
	*array_add(errands->items, errands->count) = *errand;
}

/* The dataset that is to carry a branch's facts; NULL when there is none. */
static const struct item *find_carrier(const struct index *index, const struct facts_entry *entry)
{
	const struct tree head = tree_head(&entry->branch);
	const struct item *carrier = index_find(index, &head), *newest = NULL;

	for (size_t i = 0; i < index->count && !carrier; i++) {
		const struct item *item = index->items[i];

		if (!item->hidden && item->home && item->tree.kind == TREE_SNAPSHOT &&
		    uuid_equal(&item->tree.uuid, &entry->branch) &&
		    (!newest || item->order > newest->order))
			newest = item;
	}
	if (!carrier && newest)
		carrier = newest->home;
	for (size_t i = entry->carrier_count; i-- > 0 && !carrier;)
		carrier = index_find_id(index, entry->carriers[i]);
	return carrier;
}

/* Where a carrier is gone what others have may be older, so facts are written anew. */
void carry_gone(struct zfs_pool *pool, uint64_t id)
{
	for (size_t i = 0; i < pool->facts.count; i++) {
		struct facts_entry *entry = &pool->facts.entries[i];

		for (size_t j = 0; j < entry->carrier_count; j++) {
			if (entry->carriers[j] != id)
				continue;
			entry->carriers[j--] = entry->carriers[--entry->carrier_count];
			entry->adrift = true;
		}
	}
}

static void collect_facts(struct zfs_pool *pool, struct errands *errands)
{
	for (size_t i = 0; i < pool->facts.count; i++) {
		struct facts_entry *entry = &pool->facts.entries[i];
		bool wanted = entry->text && (entry->waiting || entry->adrift);
		const struct item *carrier = wanted ? find_carrier(&pool->index, entry) : NULL;
		struct errand errand = { .branch = entry->branch, .serial = entry->serial + 1 };

		if (!carrier)
			continue;
		errand.id = carrier->id;
		item_name(carrier, errand.name);
		errand.text = xstrdup(entry->text);
		add_errand(errands, &errand);
	}
}

static void collect_notes(struct zfs_pool *pool, struct errands *errands)
{
	for (size_t i = 0; i < pool->index.count; i++) {
		const struct item *item = pool->index.items[i];
		struct errand errand = { .is_note = true, .id = item->id };

		if (!item->note_waiting || item->hidden)
			continue;
		item_name(item, errand.name);
		errand.text = xstrdup(item->note);
		errand.serial = item->note_serial + 1;
		add_errand(errands, &errand);
	}
}

static void collect(struct zfs_pool *pool, struct errands *ret)
{
	own_lock(guard, &pool->mutex);

	collect_facts(pool, ret);
	collect_notes(pool, ret);
}

/* The first piece last: it is what counts. */
static int set_pieces(const struct errand *errand, struct fl_error *err)
{
	own_pieces struct pieces pieces = { 0 };
	char base[PROPERTY_NAME] = NOTE_PROPERTY;

	if (!errand->is_note)
		facts_base(&errand->branch, base);
	if (!pieces_make(base, errand->serial, errand->text, &pieces))
		return fl_fail(err, FL_UNSUPPORTED, "%zu bytes are too many for properties",
			       strlen(errand->text));
	for (size_t i = pieces.count; i-- > 0;)
		if (zfs_do(err, "set", pieces.properties[i], errand->name) < 0)
			return fl_failed(err);
	return 0;
}

/* It may have changed again meanwhile: then it goes on waiting. */
static void errand_done(struct zfs_pool *pool, const struct errand *errand)
{
	own_lock(guard, &pool->mutex);
	struct facts_entry *entry = find_entry(&pool->facts, &errand->branch);
	struct item *item = index_find_id(&pool->index, errand->id);

	if (errand->is_note && item) {
		item->note_serial = errand->serial;
		item->note_waiting = strcmp(item->note, errand->text) != 0;
	} else if (!errand->is_note && entry) {
		entry->serial = errand->serial;
		entry->adrift = false;
		entry->waiting = strcmp(entry->text, errand->text) != 0;
		add_carrier(entry, errand->id);
	}
}

bool carry_write(struct zfs_pool *pool)
{
	own_shape(shape, read_shape(pool));
	own_lock(guard, &pool->carrying);
	own(errands_done) struct errands errands = { 0 };
	bool any = false;

	collect(pool, &errands);
	for (size_t i = 0; i < errands.count; i++) {
		const struct errand *errand = &errands.items[i];
		struct fl_error err;

		if (set_pieces(errand, &err) == 0) {
			errand_done(pool, errand);
			any = true;
			continue;
		}
		if (err.code == FL_NOT_FOUND) /* deleted meanwhile */
			continue;
		if (err.code == FL_UNSUPPORTED) /* until it changes */
			errand_done(pool, errand);
		log_warning("what is known of it is not in its properties", "dataset=%s error=%s",
			    errand->name, err.text);
		if (err.code == FL_UNREACHABLE)
			break;
	}
	return any;
}

/* --- facts that are no more ------------------------------------------------------------------- */

static uint64_t *take_carriers(struct zfs_pool *pool, const struct uuid *branch, size_t *ret_count)
{
	own_lock(guard, &pool->mutex);
	const struct facts_entry *entry = find_entry(&pool->facts, branch);
	size_t count = entry ? entry->carrier_count : 0;
	uint64_t *ids = xcalloc(count + 1, sizeof(*ids));

	for (size_t i = 0; i < count; i++)
		ids[i] = entry->carriers[i];
	*ret_count = count;
	return ids;
}

static bool name_of(struct zfs_pool *pool, uint64_t id, char name[static ZFS_NAME])
{
	own_lock(guard, &pool->mutex);
	const struct item *item = index_find_id(&pool->index, id);

	if (item)
		item_name(item, name);
	return item != NULL;
}

static void forget_entry(struct zfs_pool *pool, const struct uuid *branch)
{
	own_lock(guard, &pool->mutex);
	struct facts_entry *entry = find_entry(&pool->facts, branch);

	if (!entry)
		return;
	free(entry->text);
	free(entry->carriers);
	*entry = pool->facts.entries[--pool->facts.count];
}

/* Without its first piece a text is none. */
int carry_no_facts(struct zfs_pool *pool, const struct uuid *branch, struct fl_error *err)
{
	own_shape(shape, read_shape(pool));
	own_lock(guard, &pool->carrying);
	char base[PROPERTY_NAME], name[ZFS_NAME];
	size_t count = 0;
	own_free uint64_t *ids = take_carriers(pool, branch, &count);

	for (size_t i = 0; i < count; i++)
		if (name_of(pool, ids[i], name) &&
		    zfs_do(err, "inherit", facts_base(branch, base), name) < 0 &&
		    err->code != FL_NOT_FOUND)
			return fl_failed(err);
	forget_entry(pool, branch);
	return 0;
}

/* --- from birth ------------------------------------------------------------ */

/* With the mutex. */
static struct facts_entry *facts_for(struct zfs_pool *pool, const struct label *label)
{
	struct facts_entry *entry = NULL;

	if (!label->hidden && label->tree.kind == TREE_HEAD)
		entry = find_entry(&pool->facts, &label->tree.uuid);
	return entry && entry->text ? entry : NULL;
}

void birth_done(struct birth *birth)
{
	pieces_done(&birth->pieces);
	free(birth->text);
}

void carry_begin(struct zfs_pool *pool, const struct label *label, const char *note,
		 struct birth *ret)
{
	own_lock(guard, &pool->mutex);
	const struct facts_entry *entry = note ? NULL : facts_for(pool, label);
	char base[PROPERTY_NAME] = NOTE_PROPERTY;

	if (!note && !entry)
		return;
	if (entry)
		facts_base(&entry->branch, base);
	ret->serial = entry ? entry->serial + 1 : 1;
	ret->text = xstrdup(entry ? entry->text : note);
	(void)!pieces_make(base, ret->serial, ret->text, &ret->pieces); /* too long: it waits */
}

void carry_end(struct zfs_pool *pool, struct item *item, struct birth *birth)
{
	own_lock(guard, &pool->mutex);
	struct facts_entry *entry;

	if (!birth->text)
		return;
	if (item->tree.kind != TREE_HEAD) {
		item->note = take_ptr(birth->text);
		item->note_serial = birth->serial;
		item->note_waiting = birth->pieces.count == 0;
		return;
	}
	entry = find_entry(&pool->facts, &item->tree.uuid);
	if (!entry || birth->pieces.count == 0)
		return;
	entry->serial = birth->serial;
	entry->waiting = strcmp(entry->text, birth->text) != 0;
	add_carrier(entry, item->id);
}

/* --- notes ----------------------------------------------------------------- */

int zfs_note_write(struct pool *pool, const struct tree *tree, const char *note,
		   struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	char name[TREE_TEXT];
	struct item *item;

	if (check_writable(p, err) < 0)
		return fl_failed(err);
	own_lock(guard, &p->mutex);
	item = index_find(&p->index, tree);
	if (!item)
		return fl_fail(err, FL_NOT_FOUND, "the pool has no %s", tree_format(tree, name));
	free(item->note);
	item->note = xstrdup(note);
	item->note_waiting = true;
	return 0;
}

struct noted {
	struct tree tree;
	char *note;
};

static struct noted *copy_notes(struct zfs_pool *pool, size_t *ret_count)
{
	own_lock(guard, &pool->mutex);
	struct noted *notes = xcalloc(pool->index.count + 1, sizeof(*notes));
	size_t count = 0;

	for (size_t i = 0; i < pool->index.count; i++) {
		const struct item *item = pool->index.items[i];

		if (!item->hidden && item->note)
			notes[count++] = (struct noted){ item->tree, xstrdup(item->note) };
	}
	*ret_count = count;
	return notes;
}

int zfs_note_each(struct pool *pool,
		  int (*each)(void *arg, const struct tree *tree, const char *note,
			      struct fl_error *err),
		  void *arg, struct fl_error *err)
{
	size_t count = 0;
	own_free struct noted *notes = copy_notes(zfs_pool(pool), &count);
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		if (r >= 0)
			r = each(arg, &notes[i].tree, notes[i].note, err);
		free(notes[i].note);
	}
	return r < 0 ? r : 0;
}

#include "base/own.h"
#include "repl/offer.h"
#include "tests/check.h"

/*
 * Each payload there and back; each cut short anywhere; each with one thing in it that cannot be.
 */

static struct uuid uuid_of(int n)
{
	return (struct uuid){ { (uint8_t)n } };
}

static struct position at(int branch, int64_t time)
{
	return (struct position){ uuid_of(branch), time };
}

static void add_pair(struct metadata *metadata, const char *key, const char *value)
{
	struct fl_error err;

	check_ok(metadata_set(metadata, key, value, &err));
}

/* b began at a's 20, went back to its own 35, then to a's 10. */
static void make_offer(struct offer *ret)
{
	static const struct line lines[] = {
		{ { { 1 } }, 1, { { { 0 } }, 0 } },
		{ { { 2 } }, 1, { { { 1 } }, 20 } },
		{ { { 2 } }, 40, { { { 2 } }, 35 } },
		{ { { 2 } }, 60, { { { 1 } }, 10 } },
	};

	*ret = (struct offer){
		.transfer = uuid_of(9),
		.volume = { .uuid = uuid_of(5),
			    .name = "db",
			    .as = "db2",
			    .owner = uuid_of(7),
			    .owner_name = "alpha",
			    .epoch = 3,
			    .description = xstrdup("orders,\n\tsince 2019"),
			    .mount_path = xstrdup("/var/lib/db"),
			    .origin = { "shop@{latest}", 77 },
			    .created = 5 },
		.target = at(2, 70),
		.pointer = true,
	};
	add_pair(&ret->volume.metadata, "team", "web");
	*array_add(ret->branches, ret->branch_count) = (struct offer_branch){
		uuid_of(2), uuid_of(7), "alpha", "test", { "db@{-1}", 8 }, 6
	};
	*array_add(ret->branches, ret->branch_count) =
		(struct offer_branch){ uuid_of(1), uuid_of(7), "alpha", "", { "", 0 }, 0 };
	for (size_t i = 0; i < array_size(lines); i++)
		*array_add(ret->lines, ret->line_count) = lines[i];
}

static void make_have(struct have *ret)
{
	static const int64_t times[] = { 70, 65, 9, 3 };

	*ret = (struct have){
		.volume = HAVE_VOLUME,
		.epoch = 3,
		.owner = uuid_of(7),
		.tip = at(2, 70),
		.line = 60,
		.forms = 1 << FORM_DELTA,
		.grain = 1000,
		.number = 42,
		.live = true,
		.live_step = at(2, 70),
		.live_frames = 12,
		.live_chain = { 1, 2, 3 },
		.halfway = true,
		.half_target = at(2, 70),
		.half_base = at(1, 9),
	};
	for (size_t i = 0, n = 0; i < array_size(times); i++)
		*array_add(ret->times, n) = times[i];
	ret->count = 2;
	ret->counts = xcalloc(2, sizeof(*ret->counts));
	ret->counts[0] = ret->counts[1] = 2;
	text_add(&ret->point, "\0point", 6);
}

static void make_step(struct step *ret)
{
	*ret = (struct step){
		.snapshot = at(2, 70),
		.storage = { uuid_of(7), 70 },
		.sequence = 4,
		.host = "alpha.example.com",
		.reason = REASON_TAG,
		.name = "before-upgrade",
		.message = xstrdup("one\ntwo"),
		.base = at(1, 9),
		.form = FORM_DELTA,
		.how = STEP_POINT,
		.bytes = 1000,
		.tagged = true,
	};
	add_pair(&ret->metadata, "team", "web");
}

static void make_want(struct want *ret)
{
	*ret = (struct want){
		uuid_of(9), "alpha", "db", uuid_of(5), "test", "", 77, true, 1000, ""
	};
}

static void an_offer_goes_there_and_back(void)
{
	own_offer struct offer offer, back = { 0 };
	own_text struct text bytes = { 0 }, again = { 0 };
	struct fl_error err = { 0 };

	make_offer(&offer);
	check_ok(offer_check(&offer, &err));
	offer_encode(&offer, &bytes);
	check_ok(offer_decode(text_get(&bytes), bytes.length, &back, &err));
	check(uuid_equal(&back.transfer, &offer.transfer) && back.pointer);
	check_string("db", back.volume.name);
	check_string("db2", back.volume.as);
	check_string("alpha", back.volume.owner_name);
	check_string(offer.volume.description, back.volume.description);
	check_string("/var/lib/db", back.volume.mount_path);
	check_string("web", metadata_get(&back.volume.metadata, "team"));
	check_string("shop@{latest}", back.volume.origin.ref);
	check(back.volume.epoch == 3 && back.volume.origin.snapshot == 77);
	check(back.branch_count == 2 && back.line_count == 4);
	check_string("test", back.branches[0].name);
	check(memcmp(back.lines, offer.lines, 4 * sizeof(*back.lines)) == 0);
	check(position_equal(&back.target, &offer.target));
	offer_encode(&back, &again);
	check(again.length == bytes.length &&
	      memcmp(text_get(&again), text_get(&bytes), bytes.length) == 0);
	/* the past of what is sent: not through what was left behind */
	check(back.past_count == 2 && back.past[0].from == 60 && back.past[0].to == 70);
	check(uuid_equal(&back.past[1].branch, &offer.branches[1].uuid));
	check(back.past[1].from == 1 && back.past[1].to == 10);
}

static void an_answer_goes_there_and_back(void)
{
	own_have struct have have, back = { 0 };
	own_text struct text bytes = { 0 };
	struct fl_error err = { 0 };

	make_have(&have);
	have_encode(&have, &bytes);
	check_ok(have_decode(text_get(&bytes), bytes.length, &back, &err));
	check(back.volume == HAVE_VOLUME && back.epoch == 3 && back.line == 60);
	check(back.grain == 1000 && back.number == 42);
	check(back.forms == have.forms && position_equal(&back.tip, &have.tip));
	check(back.count == 2 && back.counts[0] == 2 && back.counts[1] == 2);
	check(memcmp(back.times, have.times, 4 * sizeof(int64_t)) == 0);
	check(back.live && back.live_frames == 12 && back.live_chain[2] == 3);
	check(back.halfway && position_equal(&back.half_base, &have.half_base));
	check(back.point.length == 6 && memcmp(back.point.bytes, "\0point", 7) == 0);
}

static void an_answer_belongs_to_its_offer(void)
{
	static const struct stretch past[] = { { { { 2 } }, 60, 70 }, { { { 1 } }, 1, 10 } };
	own_have struct have have;
	struct fl_error err = { 0 };

	make_have(&have);
	check_ok(have_check(&have, past, 2, &err));
	check_code(FL_CORRUPT, have_check(&have, past, 1, &err));
	check_code(FL_CORRUPT, have_check(&have, past, 3, &err));
	have.times[3] = 0;
	check_code(FL_CORRUPT, have_check(&have, past, 2, &err));
	have.times[3] = 3;
	have.times[0] = 71;
	check_code(FL_CORRUPT, have_check(&have, past, 2, &err));
	have.volume = HAVE_NO_VOLUME;
	have.count = 0;
	check_ok(have_check(&have, past, 2, &err));
}

static void of_too_many_snapshots_the_newest_are_told(void)
{
	own_have struct have have = { .volume = HAVE_VOLUME, .count = 3, .grain = 1 };
	own_have struct have back = { 0 };
	own_text struct text bytes = { 0 };
	struct fl_error err = { 0 };
	size_t n = 0;

	have.counts = xcalloc(3, sizeof(*have.counts));
	have.counts[0] = have.counts[1] = OFFER_TIMES - 1;
	have.counts[2] = 5;
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < have.counts[i]; k++)
			*array_add(have.times, n) = (int64_t)(OFFER_TIMES - k);
	have_encode(&have, &bytes);
	check(bytes.length < WIRE_PAYLOAD);
	check_ok(have_decode(text_get(&bytes), bytes.length, &back, &err));
	check(back.counts[0] == OFFER_TIMES - 1 && back.counts[1] == 1 && back.counts[2] == 0);
	check(back.times[OFFER_TIMES - 1] == OFFER_TIMES);
}

static void the_greatest_offer_fits_into_a_frame(void)
{
	char name[NAME_TEXT], value[METADATA_VALUE + 1], key[NAME_TEXT];
	own_offer struct offer offer, back = { 0 };
	own_text struct text bytes = { 0 };
	struct fl_error err = { 0 };

	memset(name, 'n', sizeof(name));
	name[NAME_TEXT - 1] = '\0';
	memset(value, 'v', sizeof(value));
	value[METADATA_VALUE] = '\0';
	make_offer(&offer);
	for (size_t i = 1; i < METADATA_PAIRS; i++) {
		snprintf(key, sizeof(key), "%063zu", i);
		add_pair(&offer.volume.metadata, key, value);
	}
	for (int i = 2; i < OFFER_BRANCHES; i++) {
		struct offer_branch *branch = array_add(offer.branches, offer.branch_count);

		branch->uuid = (struct uuid){ { 3, (uint8_t)i, (uint8_t)(i >> 8) } };
		branch->instance = uuid_of(7);
		strcpy(branch->name, name);
		strcpy(branch->instance_name, name);
		memset(branch->origin.ref, 'r', sizeof(branch->origin.ref) - 1);
	}
	while (offer.line_count < OFFER_LINES) {
		struct line *line = array_add(offer.lines, offer.line_count);

		*line = (struct line){ uuid_of(2), (int64_t)offer.line_count + 60, at(2, 35) };
	}
	check_ok(offer_check(&offer, &err));
	offer_encode(&offer, &bytes);
	check(bytes.length < WIRE_PAYLOAD - 2 * OFFER_TEXT);
	check_ok(offer_decode(text_get(&bytes), bytes.length, &back, &err));
	check(back.line_count == OFFER_LINES && back.branch_count == OFFER_BRANCHES);
	(void)array_add(offer.lines, offer.line_count);
	check_code(FL_UNSUPPORTED, offer_check(&offer, &err));
	(void)array_add(offer.branches, offer.branch_count);
	check_code(FL_UNSUPPORTED, offer_check(&offer, &err));
}

static void a_step_goes_there_and_back(void)
{
	own_step struct step step, back = { 0 };
	own_text struct text bytes = { 0 };
	struct fl_error err = { 0 };

	make_step(&step);
	step_encode(&step, &bytes);
	check_ok(step_decode(text_get(&bytes), bytes.length, &back, &err));
	check(position_equal(&back.snapshot, &step.snapshot) && back.storage.time == 70);
	check(uuid_equal(&back.storage.instance, &step.storage.instance) && back.sequence == 4);
	check_string("alpha.example.com", back.host);
	check_string("before-upgrade", back.name);
	check_string("one\ntwo", back.message);
	check_string("web", metadata_get(&back.metadata, "team"));
	check(back.reason == REASON_TAG && back.form == FORM_DELTA && back.how == STEP_POINT);
	check(position_equal(&back.base, &step.base) && back.bytes == 1000 && back.tagged);
}

static void a_reason_of_later_versions_is_unknown(void)
{
	own_step struct step step, back = { 0 };
	own_text struct text bytes = { 0 };
	struct fl_error err = { 0 };

	make_step(&step);
	step.reason = (enum reason)200;
	step_encode(&step, &bytes);
	check_ok(step_decode(text_get(&bytes), bytes.length, &back, &err));
	check(back.reason == REASON_RECOVERED);
}

static void the_end_of_a_step_goes_there_and_back(void)
{
	struct step_end end = { 5, 6, { 7 }, true, { 8 }, 1000 }, back = { 0 };
	struct fl_error err = { 0 };

	for (int digest = 1; digest >= 0; digest--) {
		own_text struct text bytes = { 0 };

		end.has_digest = digest;
		step_end_encode(&end, &bytes);
		check_ok(step_end_decode(text_get(&bytes), bytes.length, &back, &err));
		check(back.frames == 5 && back.bytes == 6 && back.chain[0] == 7);
		check(back.grain == (digest ? 1000 : 0));
		check(back.has_digest == end.has_digest && back.digest[0] == (digest ? 8 : 0));
		for (size_t i = 0; i < bytes.length; i++)
			check_code(FL_CORRUPT, step_end_decode(bytes.bytes, i, &back, &err));
	}
}

static void the_newest_of_an_answer_is_the_first_that_there_is(void)
{
	const struct stretch past[] = { { uuid_of(3), 80, 90 },
					{ uuid_of(2), 60, 70 },
					{ uuid_of(1), 1, 10 } };
	size_t none[] = { 0, 0, 0 }, some[] = { 0, 2, 2 };
	int64_t times[] = { 70, 65, 9, 3 };
	struct have have = { .times = times, .counts = none, .count = 3 };
	struct position newest = have_newest(&have, past);

	check(position_is_none(&newest));
	have.counts = some;
	newest = have_newest(&have, past);
	check(position_equal(&newest, &(struct position){ uuid_of(2), 70 }));
}

static void a_digest_is_asked_for_and_told(void)
{
	const struct digest_question question = { uuid_of(3), 77, WIRE_COARSEST };
	const struct digest_answer answer = { { 1, 2 }, 1 };
	own_text struct text asked = { 0 }, told = { 0 };
	struct digest_question back = { 0 };
	struct digest_answer heard = { 0 };
	struct fl_error err = { 0 };

	digest_question_encode(&question, &asked);
	check_ok(digest_question_decode(asked.bytes, asked.length, &back, &err));
	check(uuid_equal(&back.volume, &question.volume) && back.snapshot == 77);
	check(back.grain == WIRE_COARSEST);
	digest_answer_encode(&answer, &told);
	check_ok(digest_answer_decode(told.bytes, told.length, &heard, &err));
	check(memcmp(&heard, &answer, sizeof(answer)) == 0);
	for (size_t i = 0; i < asked.length; i++)
		check_code(FL_CORRUPT, digest_question_decode(asked.bytes, i, &back, &err));
	for (size_t i = 0; i < told.length; i++)
		check_code(FL_CORRUPT, digest_answer_decode(told.bytes, i, &heard, &err));
}

static void a_grain_that_is_none_is_refused(void)
{
	const uint32_t grains[] = { 0, WIRE_COARSEST + 1, UINT32_MAX };
	struct fl_error err = { 0 };

	for (size_t i = 0; i < array_size(grains); i++) {
		const struct step_end end = { .has_digest = true, .grain = grains[i] };
		own_text struct text bytes = { 0 };
		struct step_end back;

		step_end_encode(&end, &bytes);
		check_code(FL_CORRUPT, step_end_decode(bytes.bytes, bytes.length, &back, &err));
	}
}

static void a_request_goes_there_and_back(void)
{
	own_text struct text bytes = { 0 };
	struct fl_error err = { 0 };
	struct want want, back;

	make_want(&want);
	want_encode(&want, &bytes);
	check_ok(want_decode(text_get(&bytes), bytes.length, &back, &err));
	check_string("alpha", back.instance);
	check_string("db", back.volume);
	check_string("test", back.branch);
	check(back.snapshot == 77 && back.every && back.limit == 1000);
	check(uuid_equal(&back.volume_uuid, &want.volume_uuid));
	want.snapshot = 0;
	strcpy(want.point, "before-upgrade");
	text_clear(&bytes);
	want_encode(&want, &bytes);
	check_ok(want_decode(text_get(&bytes), bytes.length, &back, &err));
	check_string("before-upgrade", back.point);
}

/* As many frames as it takes. */
static size_t send_finish(const struct finish *finish, struct finish *into)
{
	struct fl_error err = { 0 };
	size_t at_tag = 0, frames = 0;
	bool more = true, said;

	for (; more; frames++) {
		own_text struct text bytes = { 0 };

		more = finish_encode(finish, &at_tag, &bytes);
		check(bytes.length < WIRE_PAYLOAD);
		check_ok(finish_decode(bytes.bytes, bytes.length, into, &said, &err));
		check(said == more);
	}
	return frames;
}

static void tags_take_as_many_frames_as_they_need(void)
{
	own_finish struct finish finish = { .owner = true }, back = { 0 }, none = { 0 };

	check(send_finish(&none, &back) == 1 && back.tag_count == 0 && !back.owner);
	for (int i = 0; i < 2 * OFFER_FRAME_TAGS + 1; i++) {
		struct offer_tag *tag = array_add(finish.tags, finish.tag_count);

		snprintf(tag->name, sizeof(tag->name), "%063d", i);
		tag->snapshot = at(1, i + 1);
		tag->created = i;
	}
	check(send_finish(&finish, &back) == 3 && back.tag_count == finish.tag_count && back.owner);
	for (size_t i = 0; i < back.tag_count; i++) {
		check_string(finish.tags[i].name, back.tags[i].name);
		check(position_equal(&finish.tags[i].snapshot, &back.tags[i].snapshot));
		check(back.tags[i].created == (int64_t)i);
	}
}

static void bad_ends_are_refused(void)
{
	struct offer_tag tags[] = { { "b", { { { 1 } }, 5 }, 1 }, { "a", { { { 1 } }, 5 }, 1 } };
	struct finish finish = { .tags = tags, .tag_count = 2 };
	own_finish struct finish back = { 0 };
	own_text struct text bytes = { 0 };
	struct fl_error err = { 0 };
	size_t first = 0;
	bool more;

	check(!finish_encode(&finish, &first, &bytes));
	check_code(FL_CORRUPT, finish_decode(bytes.bytes, bytes.length, &back, &more, &err));
	check(strstr(err.text, "not in order"));
	check_code(FL_CORRUPT, finish_decode("\1\0\0\0\0\0", 6, &back, &more, &err));
	check(strstr(err.text, "without an end"));
	check_code(FL_CORRUPT, finish_decode("\0\0\1\0\0\0", 6, &back, &more, &err));
}

static void make_listed(struct listed *ret, size_t volumes, size_t branches)
{
	*ret = (struct listed){ 0 };
	for (size_t i = 0; i < volumes; i++) {
		struct listed_volume *volume = array_add(ret->volumes, ret->count);

		volume->uuid = uuid_of((int)i + 1);
		volume->owner = uuid_of(100);
		strcpy(volume->name, "db");
		strcpy(volume->owner_name, "alpha");
		volume->epoch = i;
		for (size_t k = 0; k < branches; k++) {
			struct listed_branch *branch = array_add(volume->branches,
								 volume->branch_count);

			branch->uuid = branch->instance = uuid_of(3);
			memset(branch->name, 'b', NAME_MAX_LENGTH);
			memset(branch->instance_name, 'i', NAME_MAX_LENGTH);
			branch->tip = at(3, (int64_t)k + 1);
			branch->tip_id = k;
			branch->snapshots = k + 2;
		}
	}
}

static size_t send_listed(const struct listed *listed, struct listed *into)
{
	struct listed_at from = { 0 };
	struct fl_error err = { 0 };
	bool more = true, said;
	size_t frames = 0;

	for (; more; frames++) {
		own_text struct text bytes = { 0 };

		more = listed_encode(listed, &from, &bytes);
		check(bytes.length < WIRE_PAYLOAD);
		check_ok(listed_decode(bytes.bytes, bytes.length, into, &said, &err));
		check(said == more);
	}
	return frames;
}

static void lists_take_as_many_frames_as_they_need(void)
{
	static const size_t sizes[][3] = {
		/* volumes, branches of each, frames */
		{ 0, 0, 1 },	{ 3, 2, 1 },	{ 1, 10000, 3 },
		{ 3, 4095, 3 }, { 3, 4096, 4 }, { 7, 5000, 9 },
	};

	for (size_t i = 0; i < array_size(sizes); i++) {
		own_listed struct listed listed, back = { 0 };

		make_listed(&listed, sizes[i][0], sizes[i][1]);
		check(send_listed(&listed, &back) == sizes[i][2]);
		check(back.count == sizes[i][0]);
		for (size_t v = 0; v < back.count; v++) {
			check(back.volumes[v].epoch == v);
			check(back.volumes[v].branch_count == sizes[i][1]);
			for (size_t k = 0; k < sizes[i][1]; k++)
				check(back.volumes[v].branches[k].snapshots == k + 2);
		}
	}
}

static void lists_have_a_bound(void)
{
	own_listed struct listed listed, back = { 0 };
	struct listed_at from = { 0 };
	struct fl_error err = { 0 };
	own_text struct text bytes = { 0 };
	bool more = true;
	int r = 0;

	make_listed(&listed, 1, OFFER_LISTED + 1);
	while (more && r == 0) {
		text_clear(&bytes);
		more = listed_encode(&listed, &from, &bytes);
		r = listed_decode(bytes.bytes, bytes.length, &back, &more, &err);
	}
	check(r == -FL_CORRUPT && back.volumes[0].branch_count <= OFFER_LISTED);
	check_code(FL_CORRUPT, listed_decode("\1\0\0\0\0", 5, &back, &more, &err));
	check(strstr(err.text, "without an end"));
	back.volumes[0].uuid = uuid_of(0);
	check_code(FL_CORRUPT, listed_decode(bytes.bytes, bytes.length, &back, &more, &err));
}

static void branches_in_lists_are_somebodys(void)
{
	own_listed struct listed listed, back = { 0 };
	struct fl_error err = { 0 };
	bool more;

	make_listed(&listed, 1, 1);
	for (int i = 0; i < 3; i++) {
		own_text struct text bytes = { 0 };
		struct listed_at from = { 0 };

		listed.volumes[0].uuid = uuid_of(i == 0 ? 0 : 1);
		listed.volumes[0].branches[0].uuid = uuid_of(i == 1 ? 0 : 1);
		listed.volumes[0].branches[0].instance = uuid_of(i == 2 ? 0 : 1);
		check(!listed_encode(&listed, &from, &bytes));
		check_code(FL_CORRUPT,
			   listed_decode(bytes.bytes, bytes.length, &back, &more, &err));
		check(strstr(err.text, "without a UUID"));
	}
}

/* --- what cannot be ----------------------------------------------------------- */

#define BAD(kind, spoil)                                                                       \
	do {                                                                                   \
		own_##kind struct kind x, back = { 0 };                                        \
		own_text struct text bytes = { 0 };                                            \
		struct fl_error err = { 0 };                                                   \
                                                                                               \
		make_##kind(&x);                                                               \
		spoil;                                                                         \
		kind##_encode(&x, &bytes);                                                     \
		check_code(FL_CORRUPT, kind##_decode(bytes.bytes, bytes.length, &back, &err)); \
	} while (0)

static void set_string(char **string, const char *value)
{
	free(*string);
	*string = xstrdup(value);
}

static void set_long(char **string)
{
	free(*string);
	*string = xcalloc(OFFER_TEXT + 2, 1);
	memset(*string, 'x', OFFER_TEXT + 1);
}

static void bad_offers_are_refused(void)
{
	BAD(offer, x.transfer = uuid_of(0));
	BAD(offer, x.volume.uuid = uuid_of(0));
	BAD(offer, strcpy(x.volume.name, ""));
	BAD(offer, strcpy(x.volume.name, "../etc"));
	BAD(offer, strcpy(x.volume.as, "a/b"));
	BAD(offer, strcpy(x.volume.owner_name, "\n"));
	BAD(offer, strcpy(x.volume.origin.ref, "\33[2J"));
	BAD(offer, set_long(&x.volume.description));
	BAD(offer, set_string(&x.volume.description, "\33[2J"));
	BAD(offer, set_long(&x.volume.mount_path));
	BAD(offer, strcpy(x.volume.metadata.pairs[0].key, "a b"));
	BAD(offer, x.branch_count = 0);
	BAD(offer, x.branches[0].uuid = uuid_of(0));
	BAD(offer, x.branches[0].instance = uuid_of(0));
	BAD(offer, strcpy(x.branches[0].name, ""));
	BAD(offer, strcpy(x.branches[0].instance_name, "-"));
	BAD(offer, x.branches[0].uuid = uuid_of(1)); /* twice */
	BAD(offer, x.branches[0].uuid = uuid_of(1); x.line_count = 0);
	BAD(offer, x.lines[0].start = 0);
	BAD(offer, x.lines[2].start = 1);
	BAD(offer, x.lines[1].parent = at(0, 20));
	BAD(offer, x.lines[1].parent = at(1, 0));
	BAD(offer, x.lines[1].parent = at(1, -1));
	BAD(offer, x.target = at(0, 0));
	BAD(offer, x.target = at(4, 5));	   /* in no line */
	BAD(offer, x.lines[0].parent = at(2, 65)); /* a circle */
}

/* What metadata_set() would not do. */
static void add_raw_pairs(struct metadata *metadata, const char *key, size_t end)
{
	while (metadata->count < end)
		*array_add(metadata->pairs,
			   metadata->count) = (struct metadata_pair){ xstrdup(key), xstrdup("v") };
}

static void keys_of_metadata_stand_once(void)
{
	BAD(offer, add_raw_pairs(&x.volume.metadata, "team", 2));
	BAD(offer, add_raw_pairs(&x.volume.metadata, "k", METADATA_PAIRS + 1));
}

static void bad_answers_are_refused(void)
{
	BAD(have, x.volume = (enum have_volume)3);
	BAD(have, x.volume = HAVE_NO_VOLUME);
	BAD(have, x.volume = HAVE_OTHER_VOLUME; x.count = 0; x.tip = at(0, 0)); /* a line */
	BAD(have, x.line = -1);
	BAD(have, x.tip = at(2, -5));
	BAD(have, x.times[0] = 0);
	BAD(have, x.times[1] = 70); /* twice */
	BAD(have, x.times[2] = 1);  /* older than what follows */
	BAD(have, x.live_step = at(0, 0));
	BAD(have, x.half_target = at(0, 0));
	BAD(have, while (x.point.length <= OFFER_POINT) text_add(&x.point, "x", 1));
}

static void who_has_no_volume_may_have_been_cut_off(void)
{
	own_have struct have have, back = { 0 };
	own_text struct text bytes = { 0 };
	struct fl_error err = { 0 };

	make_have(&have);
	have.volume = HAVE_NO_VOLUME;
	have.count = 0;
	have.tip = at(0, 0);
	have.line = 0;
	have_encode(&have, &bytes);
	check_ok(have_decode(bytes.bytes, bytes.length, &back, &err));
	check(back.halfway && back.live);
}

static void bad_steps_are_refused(void)
{
	BAD(step, x.snapshot = at(0, 0));
	BAD(step, x.storage.instance = uuid_of(0));
	BAD(step, strcpy(x.host, "a\nb"));
	BAD(step, strcpy(x.name, "latest"));
	BAD(step, strcpy(x.name, "30m"));
	BAD(step, set_long(&x.message));
	BAD(step, x.base = x.snapshot);
	BAD(step, x.form = (enum stream_form)0);
	BAD(step, x.form = (enum stream_form)9);
	BAD(step, x.how = (enum step_how)3);
}

static void want_done(const struct want *want)
{
	(void)want;
}
#define own_want own(want_done)

static void bad_requests_are_refused(void)
{
	BAD(want, x.transfer = uuid_of(0));
	BAD(want, strcpy(x.volume, ""); x.volume_uuid = uuid_of(0));
	BAD(want, strcpy(x.tag, "v1"));
	BAD(want, strcpy(x.branch, ""));
	BAD(want, strcpy(x.branch, ""); strcpy(x.tag, "v1"));
	BAD(want, strcpy(x.branch, "a/b"));
	BAD(want, strcpy(x.instance, "..."));
	BAD(want, strcpy(x.point, "s1"));
	BAD(want, x.snapshot = 0; strcpy(x.point, "a/b"));
	BAD(want, x.snapshot = 0; strcpy(x.point, "2026-02-30"));
	BAD(want, x.snapshot = 0; strcpy(x.point, "s1"); strcpy(x.branch, ""); strcpy(x.tag, "v1"));
}

/* Cut short anywhere nothing is made of it; what is behind the end is of a later version. */
#define CUT(kind)                                                                                  \
	do {                                                                                       \
		own_##kind struct kind x;                                                          \
		own_text struct text bytes = { 0 };                                                \
		struct fl_error err = { 0 };                                                       \
                                                                                                   \
		make_##kind(&x);                                                                   \
		kind##_encode(&x, &bytes);                                                         \
		for (size_t i = 0; i < bytes.length; i++) {                                        \
			own_free char *part = xcalloc(i + 1, 1); /* so that a sanitizer sees it */ \
			own_##kind struct kind back = { 0 };                                       \
                                                                                                   \
			memcpy(part, bytes.bytes, i);                                              \
			check_code(FL_CORRUPT, kind##_decode(part, i, &back, &err));               \
		}                                                                                  \
		text_add(&bytes, "later", 5);                                                      \
		own_##kind struct kind later = { 0 };                                              \
		check_ok(kind##_decode(bytes.bytes, bytes.length, &later, &err));                  \
	} while (0)

static void what_is_cut_short_is_refused(void)
{
	CUT(offer);
	CUT(have);
	CUT(step);
	CUT(want);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(an_offer_goes_there_and_back),
				  CHECK(an_answer_goes_there_and_back),
				  CHECK(an_answer_belongs_to_its_offer),
				  CHECK(of_too_many_snapshots_the_newest_are_told),
				  CHECK(the_greatest_offer_fits_into_a_frame),
				  CHECK(a_step_goes_there_and_back),
				  CHECK(a_reason_of_later_versions_is_unknown),
				  CHECK(the_end_of_a_step_goes_there_and_back),
				  CHECK(a_request_goes_there_and_back),
				  CHECK(a_digest_is_asked_for_and_told),
				  CHECK(a_grain_that_is_none_is_refused),
				  CHECK(the_newest_of_an_answer_is_the_first_that_there_is),
				  CHECK(tags_take_as_many_frames_as_they_need),
				  CHECK(bad_ends_are_refused),
				  CHECK(lists_take_as_many_frames_as_they_need),
				  CHECK(lists_have_a_bound),
				  CHECK(branches_in_lists_are_somebodys),
				  CHECK(bad_offers_are_refused),
				  CHECK(keys_of_metadata_stand_once),
				  CHECK(bad_answers_are_refused),
				  CHECK(who_has_no_volume_may_have_been_cut_off),
				  CHECK(bad_steps_are_refused),
				  CHECK(bad_requests_are_refused),
				  CHECK(what_is_cut_short_is_refused),
				  CHECK_END,
			  });
}

#include <stdbool.h>

#include "base/text.h"
#include "model/metadata.h"
#include "tests/check.h"
#include "tests/unit/random.h"

static void pairs_are_set_replaced_and_removed(void)
{
	own_metadata struct metadata metadata = { 0 };
	struct fl_error err = { 0 };

	check(!metadata_get(&metadata, "owner"));
	check_ok(metadata_set(&metadata, "owner", "anna", &err));
	check_ok(metadata_set(&metadata, "app", "shop", &err));
	check_ok(metadata_set(&metadata, "stage", "", &err));
	check_string("anna", metadata_get(&metadata, "owner"));
	check_string("", metadata_get(&metadata, "stage"));
	check_ok(metadata_set(&metadata, "owner", "ben", &err));
	check(metadata.count == 3);
	check_string("ben", metadata_get(&metadata, "owner"));
	check_ok(metadata_set(&metadata, "owner", NULL, &err));
	check_ok(metadata_set(&metadata, "never", NULL, &err));
	check(metadata.count == 2 && !metadata_get(&metadata, "owner"));
	check_string("app", metadata.pairs[0].key);
	check_string("stage", metadata.pairs[1].key);
}

static void a_value_may_be_set_from_itself(void)
{
	own_metadata struct metadata metadata = { 0 };
	struct fl_error err = { 0 };

	check_ok(metadata_set(&metadata, "a", "value", &err));
	check_ok(metadata_set(&metadata, "a", metadata_get(&metadata, "a"), &err));
	check_string("value", metadata_get(&metadata, "a"));
}

static void text_of_any_language_is_a_value(void)
{
	own_metadata struct metadata metadata = { 0 };
	struct fl_error err = { 0 };
	char longest[METADATA_VALUE + 1];

	check_ok(metadata_set(&metadata, "a",
			      "Gr\xc3\xbc\xc3\x9f"
			      "e \xe2\x82\xac \xf0\x9f\x98\x80 = a=b",
			      &err));
	memset(longest, 'x', METADATA_VALUE);
	longest[METADATA_VALUE] = '\0';
	check_ok(metadata_set(&metadata, "b", longest, &err));
}

static void what_is_wrong_is_said(void)
{
	static const struct {
		const char *key, *value, *message;
	} cases[] = {
		{ "", "x", "the metadata key name is empty" },
		{ "a=b", "x",
		  "'a=b' is not a metadata key name: '=' at position 2 is not allowed" },
		{ "-a", NULL, "'-a' is not a metadata key name: it begins with '-'" },
		{ "k", "a\nb", "the value of 'k' has a control character at position 2" },
		{ "k", "\x1b[0m", "the value of 'k' has a control character at position 1" },
		{ "k", "ab\x7f", "the value of 'k' has a control character at position 3" },
		{ "k", "\xc2\x85", "the value of 'k' has a control character at position 1" },
		{ "k", "a\xff", "the value of 'k' is not UTF-8: byte 0xff at position 2" },
		{ "k", "\xe2\x82", "the value of 'k' is not UTF-8: byte 0xe2 at position 1" },
	};
	own_metadata struct metadata metadata = { 0 };
	char longer[METADATA_VALUE + 2];
	struct fl_error err = { 0 };

	check_ok(metadata_set(&metadata, "k", "kept", &err));
	for (size_t i = 0; i < array_size(cases); i++) {
		check_code(FL_INVALID, metadata_set(&metadata, cases[i].key, cases[i].value, &err));
		check_string(cases[i].message, err.text);
	}
	memset(longer, 'x', METADATA_VALUE + 1);
	longer[METADATA_VALUE + 1] = '\0';
	check_code(FL_INVALID, metadata_set(&metadata, "k", longer, &err));
	check_string("the value of 'k' has 1025 bytes, 1024 are allowed", err.text);
	check(metadata.count == 1);
	check_string("kept", metadata_get(&metadata, "k"));
}

static void the_number_of_pairs_is_bounded(void)
{
	own_metadata struct metadata metadata = { 0 };
	struct fl_error err = { 0 };
	char key[16];

	for (int i = 0; i < METADATA_PAIRS; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		check_ok(metadata_set(&metadata, key, "x", &err));
	}
	check_ok(metadata_set(&metadata, "k0", "y", &err));
	check_code(FL_INVALID, metadata_set(&metadata, "more", "x", &err));
	check_string("'more' would be metadata pair 65, 64 are allowed", err.text);
	check_string("unset another key first", err.hint);
	check(metadata.count == METADATA_PAIRS);
}

static void a_copy_is_independent(void)
{
	own_metadata struct metadata from = { 0 }, copy = { 0 }, empty = { 0 };
	struct fl_error err = { 0 };

	metadata_copy(&from, &empty);
	check(empty.count == 0 && !empty.pairs);
	check_ok(metadata_set(&from, "a", "1", &err));
	check_ok(metadata_set(&from, "b", "2", &err));
	metadata_copy(&from, &copy);
	check_ok(metadata_set(&from, "a", "changed", &err));
	check(copy.count == 2);
	check_string("1", metadata_get(&copy, "a"));
	check_string("2", metadata_get(&copy, "b"));
}

static void stored_text_is_one_line_per_pair(void)
{
	own_metadata struct metadata metadata = { 0 }, decoded = { 0 };
	own_text struct text text = { 0 };
	struct fl_error err = { 0 };

	metadata_encode(&metadata, &text);
	check_string("", text_get(&text));
	check_ok(metadata_set(&metadata, "b", "x=y", &err));
	check_ok(metadata_set(&metadata, "a", "", &err));
	metadata_encode(&metadata, &text);
	check_string("a=\nb=x=y\n", text_get(&text));
	check_ok(metadata_decode("b=x=y\na=\n", &decoded, &err));
	check(decoded.count == 2);
	check_string("a", decoded.pairs[0].key);
}

static void damaged_text_is_refused(void)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "a=1", "metadata line 1: its end is missing" },
		{ "a=1\nb", "metadata line 2: its end is missing" },
		{ "a=1\nb\n", "metadata line 2: expected KEY=VALUE, found 'b'" },
		{ "\n", "metadata line 1: expected KEY=VALUE, found ''" },
		{ "a=1\na=2\n", "metadata line 2: the key 'a' stands twice" },
		{ "=1\n", "metadata line 1: the metadata key name is empty" },
		{ "a=\xff\n",
		  "metadata line 1: the value of 'a' is not UTF-8: byte 0xff at position 1" },
	};
	struct metadata metadata = { .count = 7 };
	struct fl_error err;

	for (size_t i = 0; i < array_size(cases); i++) {
		check_code(FL_INVALID, metadata_decode(cases[i].text, &metadata, &err));
		check_string(cases[i].message, err.text);
		check(metadata.count == 7 && !metadata.pairs);
	}
}

/* Against arrays: keys "k0".."k15", and what each was set to last. */
static void it_agrees_with_a_table(void)
{
	own_metadata struct metadata metadata = { 0 };
	struct fl_error err = { 0 };
	char values[16][8] = { { 0 } };
	bool set[16] = { false };
	char key[16];

	random_begin(41);
	for (int i = 0; i < 20000; i++) {
		size_t k = random_below(16), count = 0;

		snprintf(key, sizeof(key), "k%zu", k);
		set[k] = random_below(3) > 0;
		snprintf(values[k], sizeof(values[k]), "%zu", random_below(100000));
		check_ok(metadata_set(&metadata, key, set[k] ? values[k] : NULL, &err));
		for (size_t n = 0; n < 16; n++) {
			snprintf(key, sizeof(key), "k%zu", n);
			check(!!metadata_get(&metadata, key) == set[n]);
			if (set[n])
				check_string(values[n], metadata_get(&metadata, key));
			count += set[n];
		}
		check(metadata.count == count);
		for (size_t n = 1; n < count; n++)
			check(strcmp(metadata.pairs[n - 1].key, metadata.pairs[n].key) < 0);
	}
}

static void random_value(char *value)
{
	static const char *const pieces[] = { "a",  "=", " ", "\xc3\xa9", "\xe2\x82\xac",
					      "\"", "0", "%s" };

	value[0] = '\0';
	for (size_t n = random_below(20); n > 0; n--)
		strcat(value, pieces[random_below(array_size(pieces))]);
}

static void decode_undoes_encode(void)
{
	struct fl_error err = { 0 };

	random_begin(42);
	for (int i = 0; i < 3000; i++) {
		own_metadata struct metadata metadata = { 0 }, decoded = { 0 };
		own_text struct text text = { 0 }, again = { 0 };
		char key[64], value[100];

		for (size_t n = random_below(12); n > 0; n--) {
			random_value(value);
			check_ok(metadata_set(&metadata, random_name(key), value, &err));
		}
		metadata_encode(&metadata, &text);
		check_ok(metadata_decode(text_get(&text), &decoded, &err));
		check(decoded.count == metadata.count);
		metadata_encode(&decoded, &again);
		check_string(text_get(&text), text_get(&again));
		text_add(&text, "  ", 2);
		text.bytes[text.length -= 2] = '\0';
		random_mutate(text.bytes, text.length);
		metadata_done(&decoded);
		if (metadata_decode(text.bytes, &decoded, &err) < 0)
			check(err.code == FL_INVALID &&
			      strncmp(err.text, "metadata line ", 14) == 0);
	}
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(pairs_are_set_replaced_and_removed),
				  CHECK(a_value_may_be_set_from_itself),
				  CHECK(text_of_any_language_is_a_value),
				  CHECK(what_is_wrong_is_said),
				  CHECK(the_number_of_pairs_is_bounded),
				  CHECK(a_copy_is_independent),
				  CHECK(stored_text_is_one_line_per_pair),
				  CHECK(damaged_text_is_refused),
				  CHECK(it_agrees_with_a_table),
				  CHECK(decode_undoes_encode),
				  CHECK_END,
			  });
}

#include "base/own.h"
#include "repl/offer.h"
#include "tests/check.h"

/* What flocker-protocol(7) says is what the code does: its example, its types, its limits. */

static char *page;

static void read_page(void)
{
	FILE *file = fopen(SOURCE_ROOT "/man/flocker-protocol.7.scd", "re");
	struct text text = { 0 };
	char bytes[4096];
	size_t n;

	check(file != NULL);
	while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
		text_add(&text, bytes, n);
	fclose(file);
	free(page);
	page = text_take(&text);
}

/* The lines of hexadecimal digits of the last example. */
static size_t read_example(uint8_t *ret, size_t most)
{
	const char *at = strstr(page, "# EXAMPLES");
	size_t count = 0;
	unsigned byte;

	check(at && (at = strstr(at, "```\n")));
	for (at += 4; count < most && sscanf(at, "%2x", &byte) == 1; at += 3)
		ret[count++] = (uint8_t)byte;
	check(strncmp(at, "```", 3) == 0);
	return count;
}

static void the_example_is_what_is_sent(void)
{
	struct wire_hello hello, wanted = { .name = "alpha",
					    .program = "0.1.0",
					    .forms = 1 << FORM_DELTA,
					    .time = 1795323600000000000 };
	struct fl_error err = { 0 };
	struct wire_head head;
	own_text struct text again = { 0 };
	uint8_t example[256], greeting[WIRE_GREETING_SIZE], bytes[WIRE_HEAD];
	size_t length, before = WIRE_GREETING_SIZE + WIRE_HEAD;

	read_page();
	length = read_example(example, sizeof(example));
	check(length > before);
	wire_greeting_encode(1, 1, greeting);
	check(memcmp(example, greeting, WIRE_GREETING_SIZE) == 0);
	check_ok(wire_head_decode(example + WIRE_GREETING_SIZE, &head, &err));
	check(head.type == WIRE_HELLO && head.length == length - before);
	wire_head_encode(&head, bytes);
	check(memcmp(example + WIRE_GREETING_SIZE, bytes, WIRE_HEAD) == 0);
	check_ok(wire_hello(example + before, head.length, &hello, &err));
	wanted.instance = hello.instance;
	wire_put_hello(&again, &wanted);
	check(again.length == head.length &&
	      memcmp(again.bytes, example + before, again.length) == 0);
}

static void every_type_is_named_by_its_number(void)
{
	static const struct {
		enum wire_type type;
		const char *name;
	} types[] = {
		{ WIRE_HELLO, "HELLO" },	 { WIRE_PING, "PING" },
		{ WIRE_PONG, "PONG" },		 { WIRE_BYE, "BYE" },
		{ WIRE_REQUEST, "REQUEST" },	 { WIRE_DONE, "DONE" },
		{ WIRE_ERROR, "ERROR" },	 { WIRE_OFFER, "OFFER" },
		{ WIRE_HAVE, "HAVE" },		 { WIRE_STEP, "STEP" },
		{ WIRE_DATA, "DATA" },		 { WIRE_CREDIT, "CREDIT" },
		{ WIRE_STEP_END, "STEP_END" },	 { WIRE_TAKEN, "TAKEN" },
		{ WIRE_FINISH, "FINISH" },	 { WIRE_VOLUMES, "VOLUMES" },
		{ WIRE_DIGEST_IS, "DIGEST_IS" }, { WIRE_JOINED, "JOINED" },
		{ WIRE_DENIED, "DENIED" },
	};
	size_t rows = 0;

	read_page();
	for (size_t i = 0; i < array_size(types); i++) {
		own_text struct text row = { 0 };

		text_add_format(&row, "\n|  %d\n:  %s\n", types[i].type, types[i].name);
		if (!strstr(page, text_get(&row)))
			printf("# %s\n", types[i].name);
		check(strstr(page, text_get(&row)));
	}
	for (const char *at = page; (at = strstr(at, "\n|  ")); at++)
		rows++;
	check(rows == array_size(types));
}

static void limits_are_those_of_the_code(void)
{
	static const struct {
		const char *text;
		int number;
	} limits[] = {
		{ "of channel 0 at most %d\n", WIRE_CONTROL },
		{ "In one OFFER %d branches", OFFER_BRANCHES },
		{ "and %d lines", OFFER_LINES },
		{ "in one HAVE %d times", OFFER_TIMES },
		{ "up to %d tags", OFFER_FRAME_TAGS },
		{ "up to %d volumes and branches", OFFER_FRAME_LISTED },
		{ "all of one answer up to %d.", OFFER_LISTED },
		{ "Names have %d bytes", NAME_MAX_LENGTH },
		{ "messages and paths %d.", OFFER_TEXT },
		{ "at\nmost %d KiB, unpacked", WIRE_PIECE / 1024 },
		{ "payload: at most %d MiB", WIRE_PAYLOAD >> 20 },
		{ "a credit of %d MiB", WIRE_WINDOW >> 20 },
		{ "begins with its chain value, %d bytes", WIRE_CHAIN },
		{ "chain\n\tvalue (%d bytes)", WIRE_CHAIN },
	};

	read_page();
	for (size_t i = 0; i < array_size(limits); i++) {
		char text[100];
		const char *number = strstr(limits[i].text, "%d");

		snprintf(text, sizeof(text), "%.*s%d%s", (int)(number - limits[i].text),
			 limits[i].text, limits[i].number, number + 2);
		check_string("", strstr(page, text) ? "" : text);
	}
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(the_example_is_what_is_sent),
				  CHECK(every_type_is_named_by_its_number),
				  CHECK(limits_are_those_of_the_code),
				  CHECK_END,
			  });
}

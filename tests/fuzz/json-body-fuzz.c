#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/decode.h"
#include "tests/fuzz/fuzz.h"

/*
 * A request's inputs, decoded from any bytes: up to the first newline the
 * value of the query parameter `ref`, then the body.  Every member is taken,
 * or one after the other alone.  What is refused must be FL_INVALID with a
 * reason and leave nothing behind (the leak checker looks).
 */

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void try_request(const struct http_request *request, uint64_t body)
{
	struct accepts accepts = { .query = IN_REF, .body = body, .forms = FORM_ANY };
	own_input struct input input = { 0 };
	struct fl_error err = { 0 };
	int r = input_decode(request, &accepts, &input, &err);

	require(r == 0 || (r == -FL_INVALID && err.text[0]));
	require(r == 0 || (!input.document && !input.ref && !input.refs.items));
	require(!(input.given & ~(body | IN_REF)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_free char *text = xcalloc(size + 1, 1);
	struct http_request request = { .method = "POST", .path = "/", .parameter_count = 1 };
	char *newline;

	memcpy(text, data, size);
	newline = memchr(text, '\n', size);
	request.body = newline ? newline + 1 : "";
	request.body_length = newline ? size - (size_t)(request.body - text) : 0;
	if (newline)
		*newline = '\0';
	request.parameters[0] = (struct http_parameter){ .name = "ref", .value = text };
	try_request(&request, ((UINT64_C(1) << INPUT_COUNT) - 1) & ~IN_REF);
	for (unsigned i = 0; i < INPUT_COUNT; i++)
		try_request(&request, UINT64_C(1) << i);
	return 0;
}

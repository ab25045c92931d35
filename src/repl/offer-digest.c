/*
 * What REQUEST digest asks for, and DIGEST_IS.
 *
 *	question  volume (uuid), snapshot (u64), grain (u32)
 *	answer	  WIRE_DIGEST bytes, grain (u32)
 */

#include "repl/fields.h"
#include "repl/offer.h"

void digest_question_encode(const struct digest_question *question, struct text *out)
{
	wire_put_uuid(out, &question->volume);
	wire_put_u64(out, question->snapshot);
	wire_put_u32(out, question->grain);
}

int digest_question_decode(const void *bytes, size_t length, struct digest_question *ret,
			   struct fl_error *err)
{
	struct wire_view view = wire_view(bytes, length);
	struct digest_question question = { .volume = wire_uuid(&view) };

	question.snapshot = wire_u64(&view);
	question.grain = field_grain(&view);
	if (wire_end(&view, "a request for a digest", err) < 0)
		return fl_failed(err);
	*ret = question;
	return 0;
}

void digest_answer_encode(const struct digest_answer *answer, struct text *out)
{
	wire_put_bytes(out, answer->digest, WIRE_DIGEST);
	wire_put_u32(out, answer->grain);
}

int digest_answer_decode(const void *bytes, size_t length, struct digest_answer *ret,
			 struct fl_error *err)
{
	struct wire_view view = wire_view(bytes, length);
	struct digest_answer answer = { 0 };

	wire_bytes(&view, answer.digest, WIRE_DIGEST);
	answer.grain = field_grain(&view);
	if (wire_end(&view, "a digest", err) < 0)
		return fl_failed(err);
	*ret = answer;
	return 0;
}

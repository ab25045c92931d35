/*
 * STEP, STEP_END, and what REQUEST fetch asks for.
 *
 *	STEP
 *	    snapshot (position), the instance that took it (uuid), sequence (u64), host, reason
 *	    (u8: enum reason), name, message, metadata, base (position), form (u8: enum
 *	    stream_form), how (u8: enum step_how), bytes (u64), tagged (flag)
 *
 *	STEP_END
 *	    frames (u64), bytes (u64), chain value, digest (optional: WIRE_DIGEST bytes, and its
 *	    grain (u32))
 *
 *	WANT
 *	    transfer (uuid), instance, volume, its uuid, branch, tag, snapshot (u64), every (flag),
 *	    limit (u64), point
 */

#include <string.h>

#include "model/ref.h"
#include "repl/fields.h"
#include "repl/offer.h"

void step_done(struct step *step)
{
	free(step->message);
	metadata_done(&step->metadata);
	*step = (struct step){ 0 };
}

void step_encode(const struct step *step, struct text *out)
{
	field_put_position(out, &step->snapshot);
	wire_put_uuid(out, &step->storage.instance);
	wire_put_u64(out, step->sequence);
	wire_put_text(out, step->host);
	wire_put_u8(out, (uint8_t)step->reason);
	wire_put_text(out, step->name);
	wire_put_text(out, step->message);
	field_put_metadata(out, &step->metadata);
	field_put_position(out, &step->base);
	wire_put_u8(out, (uint8_t)step->form);
	wire_put_u8(out, (uint8_t)step->how);
	wire_put_u64(out, step->bytes);
	wire_put_flag(out, step->tagged);
}

static void read_snapshot_name(struct wire_view *view, char ret[static NAME_TEXT])
{
	struct fl_error err;

	wire_text(view, ret, NAME_TEXT);
	if (ret[0] == '\0' || ref_check_snapshot_name(ret, &err) == 0)
		return;
	field_trouble(view, "a name that is none of a snapshot");
	ret[0] = '\0';
}

/* A later version may have reasons that this one has no word for. */
static enum reason read_reason(struct wire_view *view)
{
	uint8_t reason = wire_u8(view);

	return reason < REASON_MAX ? (enum reason)reason : REASON_RECOVERED;
}

static void read_stream(struct wire_view *view, struct step *ret)
{
	uint8_t form, how;

	ret->base = field_position(view);
	form = wire_u8(view);
	how = wire_u8(view);
	ret->bytes = wire_u64(view);
	if (form < FORM_DELTA || form > FORM_MEMORY)
		field_trouble(view, "a stream of an unknown form");
	if (how > STEP_POINT)
		field_trouble(view, "a stream that is taken up in an unknown way");
	if (!view->trouble && position_equal(&ret->base, &ret->snapshot))
		field_trouble(view, "a snapshot made of itself");
	ret->form = (enum stream_form)form;
	ret->how = (enum step_how)how;
}

int step_decode(const void *bytes, size_t length, struct step *ret, struct fl_error *err)
{
	struct wire_view view = wire_view(bytes, length);
	own_step struct step step = { .snapshot = field_place(&view) };

	step.storage = (struct snapname){ wire_uuid(&view), step.snapshot.time };
	step.sequence = wire_u64(&view);
	field_line(&view, step.host, sizeof(step.host));
	step.reason = read_reason(&view);
	read_snapshot_name(&view, step.name);
	step.message = field_words(&view);
	field_metadata(&view, &step.metadata);
	read_stream(&view, &step);
	step.tagged = wire_flag(&view);
	if (uuid_is_none(&step.storage.instance))
		field_trouble(&view, "a snapshot that nobody took");
	if (wire_end(&view, "a step", err) < 0)
		return fl_failed(err);
	*ret = step;
	step = (struct step){ 0 };
	return 0;
}

void step_end_encode(const struct step_end *end, struct text *out)
{
	wire_put_u64(out, end->frames);
	wire_put_u64(out, end->bytes);
	wire_put_bytes(out, end->chain, WIRE_CHAIN);
	wire_put_flag(out, end->has_digest);
	if (!end->has_digest)
		return;
	wire_put_bytes(out, end->digest, WIRE_DIGEST);
	wire_put_u32(out, end->grain);
}

int step_end_decode(const void *bytes, size_t length, struct step_end *ret, struct fl_error *err)
{
	struct wire_view view = wire_view(bytes, length);
	struct step_end end = { .frames = wire_u64(&view) };

	end.bytes = wire_u64(&view);
	wire_bytes(&view, end.chain, WIRE_CHAIN);
	end.has_digest = wire_flag(&view);
	if (end.has_digest) {
		wire_bytes(&view, end.digest, WIRE_DIGEST);
		end.grain = field_grain(&view);
	}
	if (wire_end(&view, "the end of a step", err) < 0)
		return fl_failed(err);
	*ret = end;
	return 0;
}

void want_encode(const struct want *want, struct text *out)
{
	wire_put_uuid(out, &want->transfer);
	wire_put_text(out, want->instance);
	wire_put_text(out, want->volume);
	wire_put_uuid(out, &want->volume_uuid);
	wire_put_text(out, want->branch);
	wire_put_text(out, want->tag);
	wire_put_u64(out, want->snapshot);
	wire_put_flag(out, want->every);
	wire_put_u64(out, want->limit);
	wire_put_text(out, want->point);
}

static bool is_sensible(const struct want *want)
{
	bool branch = want->branch[0] != '\0', tag = want->tag[0] != '\0';

	return !uuid_is_none(&want->transfer) &&
	       (want->volume[0] != '\0' || !uuid_is_none(&want->volume_uuid)) && branch != tag &&
	       (branch || (want->snapshot == 0 && !want->point[0])) &&
	       (want->snapshot == 0 || !want->point[0]);
}

static void read_point(struct wire_view *view, char ret[static NAME_TEXT])
{
	struct ref unused;
	struct fl_error err;

	wire_text(view, ret, NAME_TEXT);
	if (ret[0] && ref_parse_point(ret, &unused, &err) < 0)
		field_trouble(view, "a point that is none");
}

int want_decode(const void *bytes, size_t length, struct want *ret, struct fl_error *err)
{
	struct wire_view view = wire_view(bytes, length);
	struct want want = { .transfer = wire_uuid(&view) };

	field_name(&view, want.instance, true);
	field_name(&view, want.volume, true);
	want.volume_uuid = wire_uuid(&view);
	field_name(&view, want.branch, true);
	field_name(&view, want.tag, true);
	want.snapshot = wire_u64(&view);
	want.every = wire_flag(&view);
	want.limit = wire_u64(&view);
	read_point(&view, want.point);
	if (!is_sensible(&want))
		field_trouble(&view, "it does not say what, or says it twice");
	if (wire_end(&view, "a request", err) < 0)
		return fl_failed(err);
	*ret = want;
	return 0;
}

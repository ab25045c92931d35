#include "api/encode.h"
#include "api/routes.h"
#include "engine/status.h"

static void put_unsaved(struct json *json, const struct status *status)
{
	json_put_array(json, "unsaved");
	for (size_t i = 0; i < status->named; i++) {
		const struct waiting *waiting = &status->unsaved[i];

		json_put_object(json, NULL);
		json_put_string(json, "ref", waiting->ref);
		json_put_time(json, "since", waiting->since);
		json_put_time(json, "last_snapshot", waiting->last_snapshot);
		json_end(json);
	}
	json_end(json);
}

static void put_thinning(struct json *json, const struct thin_status *thinning)
{
	json_put_object(json, "thinning");
	json_put_string(json, "state", thin_state_names[thinning->state]);
	json_put_int(json, "thinned", (int64_t)thinning->thinned);
	json_put_time(json, "last", thinning->last);
	json_put_int(json, "clock_behind", thinning->clock_behind / CLOCK_SECOND);
	json_put_int(json, "clock_jumped", thinning->clock_jumped / CLOCK_SECOND);
	json_put_int(json, "uncleaned", (int64_t)thinning->uncleaned);
	json_put_int(json, "min_free", (int64_t)thinning->min_free);
	json_end(json);
}

static void put_failing(struct json *json, const struct status *status)
{
	json_put_array(json, "failing");
	for (size_t i = 0; i < status->failing_count; i++) {
		const struct failure *failure = &status->failing[i];

		json_put_object(json, NULL);
		json_put_string(json, "what", failure->name);
		json_put_string(json, "title", failure->title);
		json_put_string(json, "object", failure->object[0] ? failure->object : NULL);
		json_put_bool(json, "note", failure->note);
		json_put_time(json, "since", failure->since);
		json_put_string(json, "code", fl_codes[failure->why.code].name);
		json_put_string(json, "message", failure->why.text);
		json_put_string(json, "hint", failure->why.hint);
		json_end(json);
	}
	json_end(json);
	json_put_bool(json, "failing_more", status->failing_more);
}

static void put_pool(struct json *json, const struct status *status)
{
	const struct pool_stats *stats = &status->pool.stats;

	if (!status->has_pool) {
		json_put_null(json, "pool");
		return;
	}
	json_put_object(json, "pool");
	json_put_int(json, "size", (int64_t)stats->size);
	json_put_int(json, "used", (int64_t)stats->used);
	json_put_int(json, "free", (int64_t)stats->free);
	json_put_string(json, "health", stats->health);
	json_put_string(json, "forecast", forecast_names[status->forecast]);
	if (status->forecast == FORECAST_FILLING)
		json_put_int(json, "full_in", status->full_in / CLOCK_SECOND);
	else
		json_put_null(json, "full_in");
	json_end(json);
}

/* null: none is configured. */
static void put_containers(struct json *json, const struct container_report *report)
{
	if (!report->configured) {
		json_put_null(json, "containers");
		return;
	}
	json_put_object(json, "containers");
	json_put_string(json, "socket", report->socket);
	json_put_bool(json, "answers", report->answers);
	json_put_string(json, "engine", report->answers ? report->version.name : NULL);
	json_put_string(json, "version", report->answers ? report->version.version : NULL);
	json_put_string(json, "message", report->answers ? NULL : report->trouble.text);
	json_end(json);
}

int get_status(struct call *call, struct fl_error *err)
{
	own(status_done) struct status status = { 0 };
	struct json *json = call->json;

	if (engine_status(call->engine, &status, err) < 0)
		return fl_failed(err);
	json_put_object(json, NULL);
	json_put_time(json, "time", status.time);
	json_put_int(json, "branches", (int64_t)status.branches);
	json_put_time(json, "last_snapshot", status.last_snapshot);
	json_put_int(json, "unsaved_count", (int64_t)status.unsaved_count);
	put_unsaved(json, &status);
	put_thinning(json, &status.thinning);
	put_failing(json, &status);
	json_put_array(json, "operations");
	for (size_t i = 0; i < status.operations.count; i++)
		encode_operation(json, NULL, &status.operations.items[i]);
	json_end(json);
	put_pool(json, &status);
	put_containers(json, &status.containers);
	json_end(json);
	return 0;
}

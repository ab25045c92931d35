/*
 * The tables of the program and openapi.yaml say the same: every route is in
 * both, with the same summary, status, query parameters, members and which of
 * them are required; and so is every word of a list (codes, reasons, states).
 */
#include "tests/check.h"

#include <ctype.h>
#include <jansson.h>

#include "api/routes.h"
#include "cli/command.h"
#include "engine/system.h"
#include "repl/plan.h"

static json_t *contract;

/* Follows "$ref": "#/a/b/c" inside the contract. */
static json_t *resolve(json_t *value)
{
	const char *ref = json_string_value(json_object_get(value, "$ref"));
	char path[200], *part, *rest = path;

	if (!ref)
		return value;
	snprintf(path, sizeof(path), "%s", ref + 2);
	value = contract;
	while ((part = strsep(&rest, "/")))
		value = json_object_get(value, part);
	return value;
}

static json_t *operation(const struct route *route)
{
	char method[10] = "";

	for (size_t i = 0; route->method[i]; i++)
		method[i] = (char)tolower(route->method[i]);
	return json_object_get(json_object_get(json_object_get(contract, "paths"), route->path),
			       method);
}

static json_t *body_schema(json_t *operation)
{
	json_t *body = resolve(json_object_get(operation, "requestBody"));
	json_t *content = json_object_get(json_object_get(body, "content"), "application/json");

	return resolve(json_object_get(content, "schema"));
}

static bool array_holds(const json_t *array, const char *wanted)
{
	for (size_t i = 0; i < json_array_size(array); i++)
		if (strcmp(json_string_value(json_array_get(array, i)), wanted) == 0)
			return true;
	return false;
}

/* check() that says which route it was. */
#define check_route(route, condition) \
	((condition) ? (void)0 : fail_route(route, __LINE__, #condition))

static void fail_route(const struct route *route, int line, const char *condition)
{
	char name[80];

	snprintf(name, sizeof(name), "%s %s", route->method, route->path);
	check_failed(__FILE__, line, condition, name);
}

static void every_route_is_in_the_contract(void)
{
	for (const struct route *route = routes; route->path; route++) {
		json_t *found = operation(route);
		char status[12];

		check_route(route, found);
		check_string(route->doc, json_string_value(json_object_get(found, "summary")));
		snprintf(status, sizeof(status), "%u", route->status);
		check_route(route, json_object_get(json_object_get(found, "responses"), status));
	}
}

static void the_contract_has_no_other_routes(void)
{
	json_t *path, *item;
	const char *name, *method;
	size_t count = 0, known = 0;

	for (const struct route *route = routes; route->path; route++)
		known++;
	json_object_foreach(json_object_get(contract, "paths"), name, path)
		json_object_foreach(path, method, item) count++;
	check(count == known);
}

static void members_agree(void)
{
	for (const struct route *route = routes; route->path; route++) {
		json_t *schema = body_schema(operation(route));
		json_t *properties = json_object_get(schema, "properties");
		size_t count = 0;

		for (unsigned i = 0; i < INPUT_COUNT; i++) {
			bool takes = route->accepts.body & UINT64_C(1) << i;
			bool needs = takes && route->accepts.required & UINT64_C(1) << i;

			check_route(route, takes == !!json_object_get(properties, input_name(i)));
			check_route(route, needs == array_holds(json_object_get(schema, "required"),
								input_name(i)));
			count += takes;
		}
		check_route(route, count == json_object_size(properties));
	}
}

static void check_parameter(const struct route *route, json_t *parameter)
{
	const char *name = json_string_value(json_object_get(parameter, "name"));
	bool required = json_is_true(json_object_get(parameter, "required"));

	for (unsigned i = 0; i < INPUT_COUNT; i++)
		if (strcmp(input_name(i), name) == 0) {
			check_route(route, route->accepts.query & UINT64_C(1) << i);
			check_route(route,
				    required == !!(route->accepts.required & UINT64_C(1) << i));
			return;
		}
	check_route(route, !"an input");
}

/* Headers are the handlers' own. */
static void parameters_agree(void)
{
	for (const struct route *route = routes; route->path; route++) {
		json_t *list = json_object_get(operation(route), "parameters");
		size_t found = 0;

		for (size_t i = 0; i < json_array_size(list); i++) {
			json_t *parameter = resolve(json_array_get(list, i));

			if (strcmp(json_string_value(json_object_get(parameter, "in")), "query") !=
			    0)
				continue;
			found++;
			check_parameter(route, parameter);
		}
		check_route(route, found == (size_t)__builtin_popcountll(route->accepts.query));
	}
}

static void check_enum(const char *pointer, const char *const *names, size_t count)
{
	json_t *ref = json_pack("{s:s++}", "$ref", "#/components/schemas/", pointer, "");
	json_t *value = json_object_get(resolve(ref), "enum");

	json_decref(ref);
	check(json_array_size(value) == count);
	for (size_t i = 0; i < count; i++)
		check_string(names[i], json_string_value(json_array_get(value, i)));
}

static void words_agree(void)
{
	const char *codes[FL_CODES - 1];

	for (int code = FL_OK + 1; code < FL_CODES; code++)
		codes[code - 1] = fl_codes[code].name;
	check_enum("Error/properties/error/properties/code", codes, array_size(codes));
	check_enum("Setting/properties/type", config_type_names, CONFIG_TYPES);
	check_enum("PoolKind", pool_kind_names, POOL_MEMORY);
	check_enum("Snapshot/properties/reason", reason_names, REASON_MAX);
	check_enum("Snapshot/properties/pins/items", pin_names, PIN_COUNT);
	check_enum("Why/properties/stay", stay_names + 1, STAYS - 1);
	check_enum("Policy/properties/settings/items/properties/source", policy_source_names,
		   POLICY_SOURCES);
	check_enum("System/properties/state", system_state_names, SYSTEM_STATES);
	/* Of these a transfer ends well. */
	check_enum("Transfer/properties/outcome", plan_outcome_names + PLAN_FULL,
		   PLAN_REWIND - PLAN_FULL + 1);
	check_enum("Operation/properties/state", operation_state_names, OPERATION_STATES);
}

/* Whoever adds a route decides whether it is recorded; the record says it as the command does. */
static void what_changes_something_is_recorded_as_a_command(void)
{
	for (const struct route *route = routes; route->path; route++) {
		/* What is typed into a command, and where: the command itself is recorded. */
		bool goes_on = strncmp(route->path, "/v1/system/exec/", 16) == 0;

		check_route(route, (strcmp(route->method, "GET") == 0 || goes_on) == !route->verb);
		check_route(route, !route->verb || command_find(route->verb));
	}
}

int main(int argc, char **argv)
{
	int status;

	contract = json_loads(openapi_json, JSON_REJECT_DUPLICATES, NULL);
	status = check_main(argc, argv,
			    (struct check[]){
				    CHECK(every_route_is_in_the_contract),
				    CHECK(the_contract_has_no_other_routes),
				    CHECK(members_agree),
				    CHECK(parameters_agree),
				    CHECK(words_agree),
				    CHECK(what_changes_something_is_recorded_as_a_command),
				    CHECK_END,
			    });
	json_decref(contract);
	return status;
}

#include <string.h>

#include "catalog/catalog.h"
#include "catalog/statement.h"

int tx_setting_get(struct tx *tx, const char *key, struct text *ret, struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_SETTING_GET, err) < 0)
		return fl_failed(err);
	query_bind_text(&q, 1, key);
	r = query_step(&q, err);
	if (r == 0)
		return fl_fail(err, FL_NOT_FOUND, "setting '%s' is not set", key);
	if (r < 0)
		return r;
	text_add_string(ret, query_text(&q, 0));
	return 0;
}

int tx_setting_set(struct tx *tx, const char *key, const char *value, struct fl_error *err)
{
	own_query struct query q = {};

	if (query_begin(&q, tx, SQL_SETTING_SET, err) < 0)
		return fl_failed(err);
	query_bind_text(&q, 1, key);
	query_bind_text(&q, 2, value);
	return query_run(&q, NULL, err);
}

int tx_setting_find(struct tx *tx, const char *prefix, const char *value, struct text *ret,
		    struct fl_error *err)
{
	own_query struct query q = {};
	int r;

	if (query_begin(&q, tx, SQL_SETTING_KEY, err) < 0)
		return fl_failed(err);
	query_bind_text(&q, 1, prefix);
	query_bind_text(&q, 2, value);
	r = query_step(&q, err);
	if (r == 0)
		return fl_fail(err, FL_NOT_FOUND, "no setting '%s...' is '%s'", prefix, value);
	if (r < 0)
		return r;
	text_add_string(ret, query_text(&q, 0) + strlen(prefix));
	return 0;
}

/* What the container engine tells: what of it makes a round of use. */

#include <string.h>

#include "base/text.h"
#include "engine/containers.h"
#include "engine/data-container.h"

struct container_news {
	struct docker_events *events;
	const char *driver;
};

int container_news_open(struct engine *engine, struct container_news **ret, struct fl_error *err)
{
	struct docker_events *events;
	struct container_news *news;

	if (docker_events_open(containers_engine(engine), &events, err) < 0) {
		note_engine(engine, fl_failed(err), err);
		return fl_failed(err);
	}
	news = xcalloc(1, sizeof(*news));
	news->events = events;
	news->driver = containers_driver(engine);
	*ret = news;
	return 0;
}

void container_news_close(struct container_news *news)
{
	if (!news)
		return;
	docker_events_free(news->events);
	free(news);
}

int container_news_fd(const struct container_news *news)
{
	return docker_events_fd(news->events);
}

/* What takes a data container away, or makes or removes a volume that may shadow. */
static bool matters(const struct container_news *news, const struct docker_event *event)
{
	if (strcmp(event->type, "container") == 0)
		return event->branch[0] && (strcmp(event->action, "destroy") == 0 ||
					    strcmp(event->action, "remove") == 0 ||
					    strcmp(event->action, "rename") == 0);
	if (strcmp(event->type, "volume") == 0)
		return strcmp(event->driver, news->driver) != 0 &&
		       (strcmp(event->action, "create") == 0 ||
			strcmp(event->action, "destroy") == 0 ||
			strcmp(event->action, "remove") == 0);
	return false;
}

int container_news_take(struct container_news *news, bool *ret_any, struct fl_error *err)
{
	bool any = false, there = true;
	struct docker_event event;

	while (there) {
		if (docker_events_next(news->events, &event, &there, err) < 0)
			return fl_failed(err);
		any |= there && matters(news, &event);
	}
	*ret_any = any;
	return 0;
}

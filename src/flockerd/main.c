/*
 * flockerd: one instance of Flocker.
 *
 * It starts in the order in which things depend on each other: directories,
 * the lock that makes it the only daemon here, configuration, identity, engine,
 * caretaker, snapshotter, socket, server, volume plugin, data containers.  It ends in the reverse
 * order, and a step that fails undoes those before it.  Signals are blocked in every thread; the
 * main thread waits for one and does nothing else.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/fsat.h"
#include "base/log.h"
#include "base/socket.h"
#include "engine/member.h"
#include "flockerd/instance.h"
#include "flockerd/lasting.h"
#include "flockerd/notify.h"
#include "flockerd/options.h"
#include "flockerd/paths.h"
#include "flockerd/patience.h"
#include "flockerd/peering.h"
#include "flockerd/single.h"
#include "plugin/plugin.h"
#include "sched/caretaker.h"
#include "sched/container-care.h"
#include "sched/peer-care.h"
#include "sched/restarter.h"
#include "sched/snapshotter.h"
#include "sched/system-care.h"

#define FEWEST_DESCRIPTORS 64
#define SOCKET_GROUP "flocker" /* may talk to the daemon, if there is such a group */

struct daemon {
	struct paths paths;
	struct instance instance;
	struct config *config;
	int etc; /* the configuration directory; -1 before it is open */
	struct trust *trust;
	struct api api;
	struct engine *engine;
	struct caretaker *caretaker;
	struct container_care *containers;
	struct restarter *restarter;
	struct peer_care *peers;
	struct snapshotter *snapshotter;
	struct system_care *systems;
	struct http_server *server;
	struct peering *peering;
	struct plugin plugin;
	struct http_server *plugin_server;
	int lock;		 /* -1 before it is taken */
	int listen;		 /* -1 before it is open, and once the server has it */
	bool bound;		 /* the socket is in the file system */
	struct lasting *lasting; /* the volume plugin's socket; NULL: none is wanted */
	int plugin_fd;		 /* what that is carried to; -1: none, or its server has it */
	bool plugin_bound;
};

/* Memory that was used for one large answer goes back; two arenas do for what two verbs need. */
static void limit_memory(void)
{
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}

/* Pages of a library that nobody can write to are in the page cache, and come back when touched. */
static int drop_constant_pages(struct dl_phdr_info *library, size_t size, void *arg)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;

	for (size_t i = 0; i < library->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &library->dlpi_phdr[i];
		uintptr_t begin = library->dlpi_addr + part->p_vaddr;

		if (part->p_type == PT_LOAD && !(part->p_flags & PF_W))
			madvise((void *)(begin & ~page), begin + part->p_memsz - (begin & ~page),
				MADV_DONTNEED);
	}
	return 0;
}

/* What the start alone needed: most of it is libraries that set themselves up for what nobody asks
 * of them. */
static void forget_start(void)
{
	malloc_trim(0);
	dl_iterate_phdr(drop_constant_pages, NULL);
}

/* Each connection and each open tree needs a descriptor; what the system allows is not too much.
 * Too little is: a daemon at rest has about 35, and one that can't accept anybody answers nobody.
 */
static int raise_descriptors(struct fl_error *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return fl_fail_errno(err, "the limit of open files");
	if (limit.rlim_max < FEWEST_DESCRIPTORS) {
		fl_fail(err, FL_SYSTEM, "%" PRIu64 " open files are allowed, and %d are needed",
			(uint64_t)limit.rlim_max, FEWEST_DESCRIPTORS);
		return fl_hint(err, "raise it: \"ulimit -Hn\" where it is started by hand, "
				    "LimitNOFILE= in its unit");
	}
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warning("limit of descriptors not raised", "limit=%" PRIu64,
			    (uint64_t)limit.rlim_cur);
	return 0;
}

/* Before any thread is made, so that all have it. */
static void block_signals(sigset_t *ret)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(ret);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGINT);
	pthread_sigmask(SIG_BLOCK, ret, NULL);
}

static int open_engine(struct daemon *daemon, struct fl_error *err)
{
	struct engine_options options = {
		.state = daemon->paths.state,
		.mount_root = daemon->paths.mount_root,
		.instance = daemon->instance.uuid,
		.name = daemon->instance.name,
		.host = daemon->instance.host,
		.config = daemon->config,
		.trust = daemon->trust,
		.tree_program = daemon->paths.tree_program,
		.archive_program = daemon->paths.archive_program,
		.run = daemon->paths.run,
		.keeper_program = daemon->paths.keeper_program,
		.own_hooks = daemon->paths.own_hooks,
		.shipped_hooks = daemon->paths.shipped_hooks,
	};
	int r = engine_open(&options, &daemon->engine, err);

	if (r == 0)
		r = caretaker_open(daemon->engine, &daemon->caretaker, err);
	if (r == 0)
		r = restarter_open(daemon->engine, &daemon->restarter, err);
	if (r == 0)
		r = peer_care_open(daemon->engine, &daemon->peers, err);
	if (r == 0)
		r = snapshotter_open(daemon->engine, &daemon->snapshotter, err);
	if (r == 0)
		r = system_care_open(daemon->engine, &daemon->systems, err);
	return r;
}

static int open_server(struct daemon *daemon, struct fl_error *err)
{
	struct http_options options = {
		.connections = (unsigned)config_number(daemon->config, CONFIG_HTTP_CONNECTIONS),
		.timeout_seconds = (unsigned)(config_duration(daemon->config, CONFIG_HTTP_TIMEOUT) /
					      CLOCK_SECOND),
		.handle = api_handle,
		.streams = api_streams,
		.arg = &daemon->api,
	};
	int r = socket_listen(daemon->paths.socket, SOCKET_GROUP, &daemon->listen, err);

	if (r < 0)
		return r == -FL_INVALID ? fl_hint(err, "give a shorter one: --socket PATH") : r;
	daemon->bound = true;
	daemon->api = (struct api){
		.engine = daemon->engine,
		.config = daemon->config,
		.host = daemon->instance.host,
	};
	options.listen_fd = daemon->listen;
	r = http_server_open(&options, &daemon->server, err);
	if (r < 0)
		return r;
	daemon->listen = -1;
	return 0;
}

/*
 * Before the engine is opened, which may take long: whoever connects waits until there is a
 * server.  Data is served without the plugin too, so its failure does not end the daemon.
 */
static void open_lasting(struct daemon *daemon)
{
	own_free char *path = config_string(daemon->config, CONFIG_DOCKER_PLUGIN);
	const struct lasting_options options = {
		.path = path,
		.control = daemon->paths.keeper,
		.daemon = daemon->paths.plugin,
		.program = daemon->paths.keeper_program,
	};
	struct fl_error err;

	if (lasting_open(&options, &daemon->lasting, &err) < 0)
		log_error("there is no volume plugin", "socket=%s error=\"%s\"", path, err.text);
}

static int open_plugin(struct daemon *daemon, struct fl_error *err)
{
	struct http_options options = {
		.connections = PLUGIN_CONNECTIONS,
		.timeout_seconds = PLUGIN_TIMEOUT,
		.handle = plugin_handle,
		.arg = &daemon->plugin,
	};

	if (!daemon->lasting)
		return 0;
	if (socket_listen(daemon->paths.plugin, NULL, &daemon->plugin_fd, err) < 0)
		return fl_failed(err);
	daemon->plugin_bound = true;
	daemon->plugin = (struct plugin){ .engine = daemon->engine };
	options.listen_fd = daemon->plugin_fd;
	if (http_server_open(&options, &daemon->plugin_server, err) < 0)
		return fl_failed(err);
	daemon->plugin_fd = -1;
	return 0;
}

static void became_member(void *arg)
{
	peering_look(arg);
}

static int open_peering(struct daemon *daemon, struct fl_error *err)
{
	const struct peering_options options = { .engine = daemon->engine,
						 .config = daemon->config,
						 .trust = daemon->trust,
						 .socket = daemon->paths.peers,
						 .group = SOCKET_GROUP };

	if (peering_open(&options, &daemon->peering, err) < 0)
		return fl_failed(err);
	engine_on_member(daemon->engine, became_member, daemon->peering);
	return 0;
}

static void use_log_level(const struct config *config)
{
	own_free char *name = config_string(config, CONFIG_LOG_LEVEL);
	enum log_level level;

	if (log_level_parse(name, &level))
		log_set_level(level);
}

/* Settings are read where they are used; these have to be carried there. */
static void setting_changed(void *arg, enum config_key key)
{
	const struct daemon *daemon = arg;

	if (key == CONFIG_LOG_LEVEL)
		use_log_level(daemon->config);
	if (key == CONFIG_TRASH_KEEP)
		engine_care_soon(daemon->engine);
	if (key == CONFIG_THIN_MIN_FREE)
		engine_space_wanted(daemon->engine);
	if (key == CONFIG_PEER_LISTEN && daemon->peering)
		peering_look(daemon->peering);
	if (key == CONFIG_PEER_CHECK && daemon->peers)
		peer_care_wake(daemon->peers);
	if (config_rows[key].type == CONFIG_POLICY)
		engine_policies_changed(daemon->engine);
}

/* What the command line says is stronger than the file. */
static int use_options(const struct options *options, struct config *config, struct fl_error *err)
{
	const struct {
		enum config_key key;
		const char *value;
	} overrides[] = {
		{ CONFIG_INSTANCE_NAME, options->name },
		{ CONFIG_LOG_LEVEL, options->log_level },
		{ CONFIG_POLICY_SNAPSHOT, options->snapshot },
	};

	for (size_t i = 0; i < array_size(overrides); i++)
		if (overrides[i].value &&
		    config_override(config, overrides[i].key, overrides[i].value, err) < 0)
			return fl_failed(err);
	return 0;
}

static int open_config(const struct options *options, struct daemon *daemon, struct fl_error *err)
{
	struct instance *instance = &daemon->instance;
	own_free char *name = NULL;

	if (instance_default_name(daemon->paths.root, instance, err) < 0 ||
	    fsat_open_dir(AT_FDCWD, daemon->paths.config, &daemon->etc, err) < 0 ||
	    config_open(daemon->etc, daemon->paths.config, &daemon->config, err) < 0)
		return fl_failed(err);
	config_default(daemon->config, CONFIG_INSTANCE_NAME, instance->name);
	/* A further instance does not take the engine of the first. */
	config_default(daemon->config, CONFIG_DOCKER_SOCKET,
		       daemon->paths.root ? "" : "/run/docker.sock");
	config_default(daemon->config, CONFIG_DOCKER_PLUGIN,
		       daemon->paths.root ? "" : "/run/docker/plugins/flocker.sock");
	if (use_options(options, daemon->config, err) < 0)
		return fl_failed(err);
	use_log_level(daemon->config);
	name = config_string(daemon->config, CONFIG_INSTANCE_NAME);
	snprintf(instance->name, sizeof(instance->name), "%s", name);
	daemon->trust = trust_open(daemon->etc);
	return 0;
}

/* Whatever is wrong with the identity ends the program with status 1 (DESIGN section 13). */
static int open_instance(struct daemon *daemon, struct fl_error *err)
{
	if (instance_load(daemon->paths.config, &daemon->instance, err) == 0)
		return 0;
	err->code = FL_SYSTEM;
	return -FL_SYSTEM;
}

static int daemon_open(const struct options *options, struct daemon *daemon, struct fl_error *err)
{
	int r = paths_prepare(options, &daemon->paths, err);

	if (r == 0)
		r = single_lock(daemon->paths.run, &daemon->lock, err);
	if (r == 0)
		r = open_config(options, daemon, err);
	if (r == 0)
		r = open_instance(daemon, err);
	if (r == 0)
		open_lasting(daemon);
	if (r == 0)
		r = open_engine(daemon, err);
	if (r == 0)
		config_on_change(daemon->config, setting_changed, daemon);
	if (r == 0)
		r = open_server(daemon, err);
	if (r == 0)
		r = open_peering(daemon, err);
	if (r == 0)
		r = open_plugin(daemon, err);
	/* The container engine asks the plugin back. */
	if (r == 0)
		r = container_care_open(daemon->engine, &daemon->containers, err);
	return r;
}

static void daemon_close(struct daemon *daemon)
{
	struct patience *patience = daemon->engine ? patience_begin(daemon->engine) : NULL;

	container_care_close(daemon->containers);
	lasting_close(daemon->lasting);
	if (daemon->plugin_bound)
		socket_remove(daemon->paths.plugin);
	http_server_close(daemon->plugin_server);
	if (daemon->bound)
		socket_remove(daemon->paths.socket);
	/* Transfers that clients wait for end. */
	if (daemon->engine)
		engine_peers_stop(daemon->engine);
	http_server_close(daemon->server);
	if (daemon->engine)
		engine_on_member(daemon->engine, NULL, NULL);
	peering_close(daemon->peering);
	system_care_close(daemon->systems);
	snapshotter_close(daemon->snapshotter);
	peer_care_close(daemon->peers);
	restarter_close(daemon->restarter);
	caretaker_close(daemon->caretaker);
	patience_end(patience);
	if (daemon->engine)
		engine_close(daemon->engine);
	trust_close(daemon->trust);
	config_close(daemon->config);
	own_fdp(&daemon->etc);
	own_fdp(&daemon->listen);
	own_fdp(&daemon->plugin_fd);
	own_fdp(&daemon->lock);
	paths_done(&daemon->paths);
}

static size_t count_volumes(struct engine *engine)
{
	char after[NAME_TEXT] = "";
	struct fl_error err;
	size_t count = 0, page;

	do {
		own(volume_list_done) struct volume_list list = { 0 };

		if (engine_volumes(engine, after, 1000, &list, &err) < 0)
			return count;
		page = list.count;
		count += page;
		if (page)
			snprintf(after, sizeof(after), "%s", list.items[page - 1].name);
	} while (page == 1000);
	return count;
}

static void log_ready(const struct daemon *daemon, int64_t began)
{
	struct pool_report pool = { 0 };
	struct fl_error err;
	char uuid[UUID_TEXT];
	int64_t took = (clock_monotonic() - began) / 1000000;

	if (engine_pool_show(daemon->engine, &pool, &err) < 0)
		snprintf(pool.spec.path, sizeof(pool.spec.path), "none");
	log_info("ready", "name=%s uuid=%s socket=%s pool=%.500s volumes=%zu ms=%" PRId64,
		 daemon->instance.name, uuid_format(&daemon->instance.uuid, uuid),
		 daemon->paths.socket, pool.spec.path, count_volumes(daemon->engine), took);
}

static int report(const struct fl_error *err)
{
	fprintf(stderr, "flockerd: %s\n", err->text);
	if (err->hint[0])
		fprintf(stderr, "hint: %s\n", err->hint);
	return fl_codes[err->code].exit;
}

static int run(const struct options *options)
{
	struct daemon daemon = { .lock = -1, .listen = -1, .plugin_fd = -1, .etc = -1 };
	int64_t began = clock_monotonic();
	struct fl_error err;
	sigset_t signals;
	int number, status;

	limit_memory();
	block_signals(&signals);
	if (raise_descriptors(&err) < 0 || daemon_open(options, &daemon, &err) < 0) {
		status = report(&err);
		daemon_close(&daemon);
		return status;
	}
	notify("READY=1");
	log_ready(&daemon, began);
	forget_start();
	sigwait(&signals, &number);
	log_info("stopping", "signal=%d", number);
	notify("STOPPING=1");
	daemon_close(&daemon);
	log_info("stopped", "name=%s", daemon.instance.name);
	return 0;
}

/* For who takes Flocker off a machine: nothing of it is to wait for a daemon that won't come. */
static int release_plugin(const struct options *options)
{
	own_paths struct paths paths = { 0 };
	own_fd int lock = -1;
	struct fl_error err;

	if (paths_prepare(options, &paths, &err) < 0 || single_lock(paths.run, &lock, &err) < 0 ||
	    lasting_release(paths.keeper, &err) < 0)
		return report(&err);
	return 0;
}

int main(int argc, char **argv)
{
	struct options options;
	struct fl_error err;

	fsat_hold_standard();
	if (options_parse(argc, argv, &options, &err) < 0)
		return report(&err);
	if (options.help)
		options_help();
	else if (options.version)
		printf("flockerd %s\n", FLOCKER_VERSION);
	else if (options.release_plugin)
		return release_plugin(&options);
	else
		return run(&options);
	return 0;
}

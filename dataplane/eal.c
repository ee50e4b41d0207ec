/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "config/config.h"
#include "telemetry.h"

enum { ARGS_MAX = 20, ARG_SIZE = 1024 };

struct args {
	int count;
	char text[ARGS_MAX][ARG_SIZE]; /* the EAL keeps what it is given */
	char *vector[ARGS_MAX + 1];
};

__attribute__((format(printf, 2, 3))) static void add(struct args *a, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(a->text[a->count], ARG_SIZE, format, list);
	va_end(list);
	a->vector[a->count] = a->text[a->count];
	a->vector[++a->count] = NULL;
}

/* The cores that this process may run on, as text. */
static void cores_text(const cpu_set_t *set, char *text, size_t size)
{
	size_t used = 0;

	for (int core = 0; core < CPU_SETSIZE && used < size; core++)
		if (CPU_ISSET(core, set))
			used += (size_t)snprintf(text + used, size - used, "%s%d", used > 0 ? ", " : "",
						 core);
}

static int cores_check(const struct config_dataplane *config, char *error, size_t error_size)
{
	cpu_set_t set;
	char there[512] = "";

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return -errno;
	cores_text(&set, there, sizeof(there));
	for (uint32_t i = 0; i <= config->worker_count; i++) {
		uint32_t core = i == 0 ? config->main_core : config->worker_cores[i - 1];
		if (core < CPU_SETSIZE && CPU_ISSET(core, &set))
			continue;
		snprintf(error, error_size,
			 "%s: core %u is not there, or this process may not use it; "
			 "there are: %s",
			 i == 0 ? "main_core" : "worker_cores", core, there);
		return -EINVAL;
	}
	return 0;
}

static bool is_pci(const char *device)
{
	unsigned n[4];

	return sscanf(device, "%x:%x:%x.%x", &n[0], &n[1], &n[2], &n[3]) == 4 ||
	       sscanf(device, "%x:%x.%x", &n[0], &n[1], &n[2]) == 3;
}

static void devices_add(struct args *a, const struct config_dataplane *config)
{
	const char *devices[] = {config->access.device, config->core.device};
	bool any_pci = false;

	for (int i = 0; i < 2; i++)
		if (is_pci(devices[i])) {
			any_pci = true;
			add(a, "--allow=%s", devices[i]);
		}
	if (!any_pci)
		add(a, "--no-pci");
}

/* DPDK puts its telemetry socket into FOLDER/dpdk/PREFIX. It takes FOLDER from this variable, in which
 * systemd may have left several. */
static int telemetry_prepare(const struct config_dataplane *config, char *error, size_t error_size)
{
	if (config->telemetry[0] == '\0')
		return 0;
	int rc = telemetry_folder(config->telemetry);
	if (rc != 0)
		snprintf(error, error_size,
			 "telemetry: folder %s: %s; it must be this user's or root's, and nobody else may "
			 "write "
			 "there",
			 config->telemetry, strerror(-rc));
	else
		setenv("RUNTIME_DIRECTORY", config->telemetry, 1);
	return rc;
}

int eal_start(const struct config_dataplane *config, char *error, size_t error_size)
{
	static struct args args;
	struct args *a = &args;
	int rc = cores_check(config, error, error_size);

	if (rc == 0)
		rc = telemetry_prepare(config, error, error_size);
	if (rc != 0)
		return rc;
	a->count = 0;
	add(a, "bgf-dataplane");
	add(a, "--lcores=0@%u", config->main_core);
	char *lcores = a->text[a->count - 1];
	for (uint32_t i = 0; i < config->worker_count; i++) {
		size_t used = strlen(lcores);
		snprintf(lcores + used, ARG_SIZE - used, ",%u@%u", i + 1, config->worker_cores[i]);
	}
	add(a, "--main-lcore=0");
	/* nothing of it outlives the process, whatever ends it: only the SA store does */
	add(a, config->huge_pages ? "--in-memory" : "--no-huge");
	add(a, "--no-shconf");
	if (config->telemetry[0] == '\0')
		add(a, "--no-telemetry");
	add(a, "--file-prefix=%s", config->file_prefix);
	add(a, "-m");
	add(a, "%u", config->memory_mb);
	add(a, "--log-level=error");
	devices_add(a, config);
	rte_openlog_stream(stderr);
	/* af_xdp: this port's program alone, which a start after kill -9 replaces; no bpffs is needed */
	setenv("LIBXDP_SKIP_DISPATCHER", "1", 0);
	/* whoever may open its socket sees what DPDK tells of memory and ports */
	const mode_t mask = umask(S_IRWXG | S_IRWXO);
	rc = rte_eal_init(a->count, a->vector);
	umask(mask);
	if (rc < 0) {
		snprintf(error, error_size, "DPDK does not start: %s%s", rte_strerror(rte_errno),
			 config->huge_pages ? "; are there huge pages for memory_mb (vm.nr_hugepages)? "
					      "`huge_pages = false` goes on without"
					    : "");
		return rte_errno > 0 ? -rte_errno : -EIO;
	}
	return 0;
}

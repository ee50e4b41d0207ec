/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What one key's type and range cannot say: rules between keys.
 */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/load.h"

enum { RULE_KEY = 64, RULE_FOUND = 256 };

/* A fault at a key that the file gives, or else at its group's defaults. `key` has libconfig's form of a
 * path: "served.[1].address". */
static void rule_fault(struct load *load, const char *key, const char *found, const char *allowed)
{
	char shown[RULE_KEY];
	size_t used = 0;

	for (const char *c = key; *c != '\0' && used + 1 < sizeof(shown); c++)
		if (c[0] != '.' || c[1] != '[')
			shown[used++] = *c;
	shown[used] = '\0';
	load_fault(load, config_lookup(load->file, key), shown, found, allowed);
}

static void rule_served_once(struct load *load)
{
	const struct bgf_config *c = load->config;

	for (uint32_t i = 0; i < c->served_count; i++)
		for (uint32_t j = 0; j < i; j++) {
			char key[RULE_KEY], found[RULE_FOUND], text[BGF_ADDR_STRLEN];

			if (!bgf_addr_equal(&c->served[i].address, &c->served[j].address))
				continue;
			snprintf(key, sizeof(key), "served.[%u].address", i);
			snprintf(found, sizeof(found), "%s, which served[%u] has too",
				 bgf_addr_text(&c->served[i].address, text), j);
			rule_fault(load, key, found, "each served address once");
			break;
		}
}

static void rule_peers_once(struct load *load)
{
	const struct config_control *c = &load->config->control;

	for (uint32_t i = 0; i < c->peer_count; i++)
		for (uint32_t j = 0; j < i; j++) {
			char key[RULE_KEY], found[RULE_FOUND];

			if (strcmp(c->peers[i].name, c->peers[j].name) != 0)
				continue;
			snprintf(key, sizeof(key), "control.peers.[%u].name", i);
			snprintf(found, sizeof(found), "\"%s\", which control.peers[%u] has too",
				 c->peers[i].name, j);
			rule_fault(load, key, found, "each peer's name once");
			break;
		}
}

/* The part of a device's arguments after "iface=", and its length. */
static size_t device_iface(const char *device, const char **ret_iface)
{
	const char *iface = strstr(device, ",iface=");

	if (iface == NULL)
		return 0;
	*ret_iface = iface + strlen(",iface=");
	return strcspn(*ret_iface, ",");
}

/* Two devices are the same by the name before the arguments, or by the interface that they sit on. */
static bool is_same_device(const char *a, const char *b)
{
	const char *a_iface = a, *b_iface = b;
	size_t a_length = strcspn(a, ","), b_length = strcspn(b, ",");

	if (a_length == b_length && strncmp(a, b, a_length) == 0)
		return true;
	a_length = device_iface(a, &a_iface);
	b_length = device_iface(b, &b_iface);
	return a_length > 0 && a_length == b_length && strncmp(a_iface, b_iface, a_length) == 0;
}

static void rule_ports_differ(struct load *load)
{
	const struct config_port *access = &load->config->dataplane.access,
				 *core = &load->config->dataplane.core;
	char found[RULE_FOUND];

	if (is_same_device(access->device, core->device)) {
		snprintf(found, sizeof(found), "\"%s\", the access port's device \"%s\"", core->device,
			 access->device);
		rule_fault(load, "dataplane.core.device", found, "another device than the access port's");
	}
	if (strcmp(access->tap, core->tap) == 0 && strcmp(access->tap_netns, core->tap_netns) == 0) {
		snprintf(found, sizeof(found), "\"%s\", the access port's tap", core->tap);
		rule_fault(load, "dataplane.core.tap", found, "another tap than the access port's");
	}
}

/* The buffers that a worker's queues hold when they are full, and its rings. With fewer the ports run dry. */
static uint32_t buffers_queued(const struct config_dataplane *d)
{
	const uint32_t each = d->access.rx_descriptors + d->access.tx_descriptors + d->core.rx_descriptors +
			      d->core.tx_descriptors + (d->worker_count > 1 ? 2 * CONFIG_HANDOVER : 0);

	return each * d->worker_count;
}

/* Behind the first worker's, what the rings of the kernel hold covers bursts and caches too; each further one
 * brings its own. */
uint32_t config_mbufs(const struct config_dataplane *d)
{
	enum { WORKER_HOLDS = 2048 /* bursts, a cache, what waits for a shared transmit queue */ };

	if (d->mbufs != 0)
		return d->mbufs;
	return buffers_queued(d) + 3 * CONFIG_KERNEL_RING + (d->worker_count - 1) * WORKER_HOLDS;
}

static void rule_buffers_suffice(struct load *load)
{
	const struct config_dataplane *d = &load->config->dataplane;
	const uint32_t queued = buffers_queued(d);
	char found[RULE_FOUND], allowed[RULE_FOUND];

	if (d->mbufs == 0 || (d->mbufs > queued && d->mbufs >= CONFIG_MBUFS_MIN))
		return;
	snprintf(found, sizeof(found), "%u", d->mbufs);
	if (queued < CONFIG_MBUFS_MIN)
		snprintf(allowed, sizeof(allowed), "0 (as many as are needed), or %u and more",
			 (unsigned)CONFIG_MBUFS_MIN);
	else
		snprintf(allowed, sizeof(allowed),
			 "0 (as many as are needed), or more than %u, the descriptors%s of %u worker%s",
			 queued, d->worker_count == 1 ? "" : " and rings", d->worker_count,
			 d->worker_count == 1 ? "" : "s");
	rule_fault(load, "dataplane.mbufs", found, allowed);
}

static void rule_paths_differ(struct load *load)
{
	const struct bgf_config *c = load->config;
	char found[RULE_FOUND];

	if (strcmp(c->dataplane.link, c->dataplane.store) == 0) {
		snprintf(found, sizeof(found), "\"%s\", which is dataplane.link", c->dataplane.store);
		rule_fault(load, "dataplane.store", found, "a path of its own");
	}
	if (strcmp(c->control.zb, c->dataplane.link) == 0 || strcmp(c->control.zb, c->dataplane.store) == 0) {
		snprintf(found, sizeof(found), "\"%s\", which bgf-dataplane has", c->control.zb);
		rule_fault(load, "control.zb", found, "a path of its own");
	}
}

void check_rules(struct load *load)
{
	rule_served_once(load);
	rule_ports_differ(load);
	rule_buffers_suffice(load);
	rule_paths_differ(load);
	rule_peers_once(load);
}

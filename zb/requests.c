/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libzb's calls, one a message: what goes into the request and what is taken out of the answer.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zb/client.h"
#include "zb/records.h"

static bool name_is_good(const char *name)
{
	size_t length = name == NULL ? 0 : strnlen(name, BGF_PEER_NAME_MAX + 1);

	for (size_t i = 0; i < length; i++)
		if (!isascii((unsigned char)name[i]) ||
		    (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL))
			return false;
	return length >= 1 && length <= BGF_PEER_NAME_MAX;
}

static int check_options(const struct zb_options *o, struct zb_error *ret_error)
{
	if (!name_is_good(o->name))
		return client_error(ret_error, -EINVAL, "name: 1 to %d octets of [A-Za-z0-9._-]",
				    BGF_PEER_NAME_MAX);
	if (o->instance_id == 0)
		return client_error(ret_error, -EINVAL, "instance_id: not 0");
	if (o->role > ZB_ROLE_OPERATOR)
		return client_error(ret_error, -EINVAL, "role: peer, observer or operator");
	if (o->wait_ms < 0)
		return client_error(ret_error, -EINVAL, "wait_ms: 0 or more");
	if (o->pending_max > ZB_PENDING_MOST)
		return client_error(ret_error, -EINVAL, "pending_max: %d at most", ZB_PENDING_MOST);
	return 0;
}

int zb_open(const struct zb_options *options, struct zb **ret, struct zb_error *ret_error)
{
	int r = check_options(options, ret_error);

	if (r < 0)
		return r;
	struct zb *zb = calloc(1, sizeof(*zb));
	char *path = strdup(options->path != NULL ? options->path : ZB_DEFAULT_PATH);
	if (zb == NULL || path == NULL) {
		free(zb);
		free(path);
		return client_error(ret_error, -ENOMEM, "no memory");
	}
	zb->pid = getpid();
	zb->path = path;
	strcpy(zb->name, options->name);
	zb->instance_id = options->instance_id;
	zb->role = options->role;
	zb->release_former = options->release_former != 0;
	zb->wait_ms = options->wait_ms > 0 ? options->wait_ms : ZB_DEFAULT_WAIT_MS;
	zb->pipeline.most = options->pending_max > 0 ? options->pending_max : ZB_DEFAULT_PENDING;
	zb->fd = -1;
	client_lose(zb, -ENOTCONN, "not connected yet");
	*ret = zb;
	return 0;
}

static void say_bye(struct zb *zb)
{
	if (zb->state == CLIENT_UP && client_begin(zb, ZB_MSG_BYE, NULL) == 0)
		client_exchange(zb, NULL);
}

void zb_close(struct zb *zb)
{
	if (zb == NULL)
		return;
	if (zb->pid == getpid())
		say_bye(zb);
	if (zb->fd >= 0)
		close(zb->fd);
	zb_stream_clear(&zb->in);
	box_clear(&zb->outbox);
	pipeline_free(&zb->pipeline);
	queue_free(&zb->queue);
	free(zb->path);
	explicit_bzero(zb->out, sizeof(zb->out));
	free(zb);
}

int zb_gateway(struct zb *zb, struct zb_gateway *ret, struct zb_error *ret_error)
{
	/* HEARTBEAT makes sure that it is there now, not when HELLO was answered. */
	int r = client_begin(zb, ZB_MSG_HEARTBEAT, ret_error);

	if (r == 0)
		r = client_exchange(zb, ret_error);
	if (r == 0)
		*ret = zb->gateway;
	return r;
}

static void take_set(const struct zb *zb, struct zb_set *ret)
{
	struct zb_attrs group;
	size_t position = 0;

	if (ret != NULL && zb_group_next(&zb->answer.attrs, ZB_ATTR_SET, &position, &group))
		zb_get_set(&group, ret);
}

static void put_install_options(struct zb_frame *f, const struct zb_install *i)
{
	zb_put_number(f, ZB_ATTR_ALG, i->alg);
	zb_put_number(f, ZB_ATTR_EALG, i->ealg);
	zb_put_number(f, ZB_ATTR_MOD, i->mod);
	zb_put_octets(f, ZB_ATTR_IK, i->ik, sizeof(i->ik));
	if (i->has_ck)
		zb_put_octets(f, ZB_ATTR_CK, i->ck, sizeof(i->ck));
	if (i->await_auth_s != 0)
		zb_put_number(f, ZB_ATTR_AWAIT_AUTH, i->await_auth_s);
	zb_put_number(f, ZB_ATTR_FLAGS, i->flags);
	if (i->via_set != 0)
		zb_put_number(f, ZB_ATTR_VIA_SET, i->via_set);
}

/* Only what cannot be said on the wire is judged here; the rest is the gateway's, which names the attribute.
 */
static int check_install(const struct zb_install *i, struct zb_error *ret_error)
{
	if (i->reference == 0)
		return client_error(ret_error, -EINVAL, "reference: not 0");
	if (i->subscriber == NULL || i->subscriber[0] == '\0' ||
	    strnlen(i->subscriber, BGF_SUBSCRIBER_MAX + 1) > BGF_SUBSCRIBER_MAX)
		return client_error(ret_error, -EINVAL, "subscriber: 1 to %d octets", BGF_SUBSCRIBER_MAX);
	if (i->registration_id != NULL &&
	    strnlen(i->registration_id, BGF_REGISTRATION_ID_MAX + 1) > BGF_REGISTRATION_ID_MAX)
		return client_error(ret_error, -EINVAL, "registration_id: at most %d octets",
				    BGF_REGISTRATION_ID_MAX);
	if (bgf_addr_len(&i->selectors.ue) == 0 || bgf_addr_len(&i->selectors.served) == 0)
		return client_error(ret_error, -EINVAL, "selectors: ue and served need an address each");
	return 0;
}

static void put_selectors(struct zb_frame *f, const struct bgf_set_selectors *s)
{
	zb_put_addr(f, ZB_ATTR_UE_ADDRESS, &s->ue);
	zb_put_addr(f, ZB_ATTR_SERVED_ADDRESS, &s->served);
	zb_put_number(f, ZB_ATTR_PORT_UC, s->port_uc);
	zb_put_number(f, ZB_ATTR_PORT_US, s->port_us);
	zb_put_number(f, ZB_ATTR_PORT_PC, s->port_pc);
	zb_put_number(f, ZB_ATTR_PORT_PS, s->port_ps);
	zb_put_number(f, ZB_ATTR_SPI_UC, s->spi_uc);
	zb_put_number(f, ZB_ATTR_SPI_US, s->spi_us);
}

static void put_install(struct zb_frame *f, const struct zb_install *install)
{
	zb_put_number(f, ZB_ATTR_REFERENCE, install->reference);
	zb_put_string(f, ZB_ATTR_SUBSCRIBER, install->subscriber);
	if (install->registration_id != NULL && install->registration_id[0] != '\0')
		zb_put_string(f, ZB_ATTR_REGISTRATION_ID, install->registration_id);
	put_selectors(f, &install->selectors);
	put_install_options(f, install);
}

int zb_install(struct zb *zb, const struct zb_install *install, struct zb_set *ret,
	       struct zb_error *ret_error)
{
	int r = check_install(install, ret_error);

	if (r == 0)
		r = client_begin(zb, ZB_MSG_INSTALL, ret_error);
	if (r < 0)
		return r;
	put_install(&zb->request, install);
	r = client_exchange(zb, ret_error);
	if (r == 0)
		take_set(zb, ret);
	return r;
}

int zb_start_install(struct zb *zb, const struct zb_install *install, zb_on_answer on_answer, void *arg,
		     struct zb_error *ret_error)
{
	int r = check_install(install, ret_error);

	if (r == 0)
		r = pipeline_begin(zb, ZB_MSG_INSTALL, ret_error);
	if (r < 0)
		return r;
	put_install(&zb->request, install);
	return pipeline_start(zb, install->reference, on_answer, arg, ret_error);
}

static void put_confirm(struct zb_frame *f, uint64_t set_id, uint64_t reference, uint32_t expires_s)
{
	zb_put_number(f, ZB_ATTR_REFERENCE, reference);
	zb_put_number(f, ZB_ATTR_SET_ID, set_id);
	zb_put_number(f, ZB_ATTR_EXPIRES, expires_s);
}

int zb_confirm(struct zb *zb, uint64_t set_id, uint64_t reference, uint32_t expires_s, struct zb_set *ret,
	       struct zb_error *ret_error)
{
	int r = client_begin(zb, ZB_MSG_CONFIRM, ret_error);

	if (r < 0)
		return r;
	put_confirm(&zb->request, set_id, reference, expires_s);
	r = client_exchange(zb, ret_error);
	if (r == 0)
		take_set(zb, ret);
	return r;
}

int zb_start_confirm(struct zb *zb, uint64_t set_id, uint64_t reference, uint32_t expires_s,
		     zb_on_answer on_answer, void *arg, struct zb_error *ret_error)
{
	int r = pipeline_begin(zb, ZB_MSG_CONFIRM, ret_error);

	if (r < 0)
		return r;
	put_confirm(&zb->request, set_id, reference, expires_s);
	return pipeline_start(zb, reference, on_answer, arg, ret_error);
}

static void put_release(struct zb_frame *f, uint64_t set_id, uint64_t reference, uint32_t drain_s)
{
	zb_put_number(f, ZB_ATTR_REFERENCE, reference);
	if (set_id != 0)
		zb_put_number(f, ZB_ATTR_SET_ID, set_id);
	else
		zb_put_number(f, ZB_ATTR_ALL_SETS, 1);
	zb_put_number(f, ZB_ATTR_DRAIN, drain_s);
}

/* set_id 0: all of the peer's. */
static int release(struct zb *zb, uint64_t set_id, uint64_t reference, uint32_t drain_s, uint32_t *ret_count,
		   struct zb_error *ret_error)
{
	int r = client_begin(zb, ZB_MSG_RELEASE, ret_error);

	if (r < 0)
		return r;
	put_release(&zb->request, set_id, reference, drain_s);
	r = client_exchange(zb, ret_error);
	if (r == 0 && ret_count != NULL)
		*ret_count = (uint32_t)zb_get_number(&zb->answer.attrs, ZB_ATTR_SET_COUNT, 0);
	return r;
}

int zb_release(struct zb *zb, uint64_t set_id, uint64_t reference, uint32_t drain_s,
	       struct zb_error *ret_error)
{
	if (set_id == 0)
		return client_error(ret_error, -EINVAL, "set_id: not 0");
	return release(zb, set_id, reference, drain_s, NULL, ret_error);
}

int zb_release_all(struct zb *zb, uint64_t reference, uint32_t drain_s, uint32_t *ret_count,
		   struct zb_error *ret_error)
{
	return release(zb, 0, reference, drain_s, ret_count, ret_error);
}

int zb_start_release(struct zb *zb, uint64_t set_id, uint64_t reference, uint32_t drain_s,
		     zb_on_answer on_answer, void *arg, struct zb_error *ret_error)
{
	int r = set_id != 0 ? pipeline_begin(zb, ZB_MSG_RELEASE, ret_error)
			    : client_error(ret_error, -EINVAL, "set_id: not 0");

	if (r < 0)
		return r;
	put_release(&zb->request, set_id, reference, drain_s);
	return pipeline_start(zb, reference, on_answer, arg, ret_error);
}

/* The rows of an answer: `get` takes one group to the row at `to`. -EPROTO if more came than were asked for.
 */
typedef void (*row_getter)(const struct zb_attrs *group, void *to);

static int take_rows(const struct zb *zb, enum zb_attribute attr, row_getter get, void *rows, size_t row_size,
		     size_t room, size_t *ret_count)
{
	struct zb_attrs group;
	size_t position = 0, count = 0;

	while (zb_group_next(&zb->answer.attrs, attr, &position, &group)) {
		if (count == room) {
			*ret_count = count;
			return -ENOSPC;
		}
		get(&group, (char *)rows + count++ * row_size);
	}
	*ret_count = count;
	return 0;
}

static void get_set_row(const struct zb_attrs *group, void *to)
{
	zb_get_set(group, to);
}

static void get_stat_row(const struct zb_attrs *group, void *to)
{
	zb_get_stat(group, to);
}

static void get_port_row(const struct zb_attrs *group, void *to)
{
	zb_get_port(group, to);
}

static void get_peer_row(const struct zb_attrs *group, void *to)
{
	zb_get_peer(group, to);
}

static void put_page(struct zb_frame *f, uint64_t cursor, size_t room)
{
	const size_t most = 1024; /* LIMIT's max */

	if (cursor != 0)
		zb_put_number(f, ZB_ATTR_CURSOR, cursor);
	zb_put_number(f, ZB_ATTR_LIMIT, room < most ? room : most);
}

/* The rest of a call that gives rows; `cursor` is NULL where there is no paging. */
static int exchange_rows(struct zb *zb, enum zb_attribute attr, row_getter get, void *rows, size_t row_size,
			 size_t room, size_t *ret_count, uint64_t *cursor, struct zb_error *ret_error)
{
	int r = client_exchange(zb, ret_error);

	if (r < 0)
		return r;
	r = take_rows(zb, attr, get, rows, row_size, room, ret_count);
	if (r < 0)
		return client_error(ret_error, r, "the gateway has more rows than the %zu there is room for",
				    room);
	if (cursor != NULL)
		*cursor = zb_get_number(&zb->answer.attrs, ZB_ATTR_CURSOR, 0);
	return 0;
}

static void put_query(struct zb_frame *f, const struct zb_query *query, size_t room)
{
	if (query->set_id != 0)
		zb_put_number(f, ZB_ATTR_SET_ID, query->set_id);
	if (query->subscriber != NULL)
		zb_put_string(f, ZB_ATTR_SUBSCRIBER, query->subscriber);
	if (query->registration_id != NULL)
		zb_put_string(f, ZB_ATTR_REGISTRATION_ID, query->registration_id);
	if (query->ue.family != 0)
		zb_put_addr(f, ZB_ATTR_UE_ADDRESS, &query->ue);
	if (query->port_ue != 0)
		zb_put_number(f, ZB_ATTR_PORT_UE, query->port_ue);
	if (query->port_local != 0)
		zb_put_number(f, ZB_ATTR_PORT_LOCAL, query->port_local);
	put_page(f, query->cursor, room);
}

int zb_query(struct zb *zb, struct zb_query *query, struct zb_set *rows, size_t room, size_t *ret_count,
	     struct zb_error *ret_error)
{
	int r = client_begin(zb, ZB_MSG_QUERY, ret_error);

	if (r < 0)
		return r;
	put_query(&zb->request, query, room);
	return exchange_rows(zb, ZB_ATTR_SET, get_set_row, rows, sizeof(*rows), room, ret_count,
			     &query->cursor, ret_error);
}

int zb_start_query(struct zb *zb, const struct zb_query *query, zb_on_answer on_answer, void *arg,
		   struct zb_error *ret_error)
{
	int r = pipeline_begin(zb, ZB_MSG_QUERY, ret_error);

	if (r < 0)
		return r;
	put_query(&zb->request, query, ZB_ANSWER_SETS);
	return pipeline_start(zb, 0, on_answer, arg, ret_error);
}

int zb_counters(struct zb *zb, uint64_t *cursor, struct zb_stat *rows, size_t room, size_t *ret_count,
		struct zb_error *ret_error)
{
	int r = client_begin(zb, ZB_MSG_COUNTERS, ret_error);

	if (r < 0)
		return r;
	put_page(&zb->request, *cursor, room);
	return exchange_rows(zb, ZB_ATTR_STAT, get_stat_row, rows, sizeof(*rows), room, ret_count, cursor,
			     ret_error);
}

int zb_ports(struct zb *zb, struct zb_port *rows, size_t room, size_t *ret_count, struct zb_error *ret_error)
{
	int r = client_begin(zb, ZB_MSG_PORTS, ret_error);

	if (r < 0)
		return r;
	return exchange_rows(zb, ZB_ATTR_PORT, get_port_row, rows, sizeof(*rows), room, ret_count, NULL,
			     ret_error);
}

int zb_peers(struct zb *zb, struct zb_peer *rows, size_t room, size_t *ret_count, struct zb_error *ret_error)
{
	int r = client_begin(zb, ZB_MSG_PEERS, ret_error);

	if (r < 0)
		return r;
	return exchange_rows(zb, ZB_ATTR_PEER, get_peer_row, rows, sizeof(*rows), room, ret_count, NULL,
			     ret_error);
}

int zb_subscribe(struct zb *zb, uint32_t events, struct zb_error *ret_error)
{
	int r = client_begin(zb, ZB_MSG_SUBSCRIBE, ret_error);

	if (r < 0)
		return r;
	uint32_t former = zb->subscribed;
	zb->subscribed = events;
	zb_put_number(&zb->request, ZB_ATTR_EVENTS, events);
	r = client_exchange(zb, ret_error);
	if (r == -EREMOTEIO)
		zb->subscribed = former;
	return r;
}

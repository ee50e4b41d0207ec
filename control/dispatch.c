/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/dispatch.h"

#include <string.h>

#include "control/log.h"
#include "control/orders.h"
#include "control/places.h"
#include "control/query.h"

static void answer(struct session *s, struct zb_frame *f)
{
	int length = zb_frame_finish(f);

	if (length > 0)
		session_send(s, f->w.data, (size_t)length);
	else
		session_close(s, "an answer could not be encoded");
}

static void refuse_request(struct session *s, const struct zb_message_in *m, unsigned cause,
			   unsigned attribute, const char *text)
{
	struct refusal r;

	refuse(&r, cause, attribute, "%s", text);
	session_refuse(s, &m->header, &r);
}

static void answer_hello(struct session *s, const struct zb_message_in *m)
{
	const struct control *c = s->control;
	uint8_t buffer[512];
	struct zb_frame f;

	zb_answer_begin(&f, buffer, sizeof(buffer), &m->header);
	zb_put_string(&f, ZB_ATTR_NAME, c->config->name);
	zb_put_octets(&f, ZB_ATTR_BOOT_ID, c->boot_id, sizeof(c->boot_id));
	zb_put_number(&f, ZB_ATTR_STORE_EPOCH, c->store_epoch);
	zb_put_number(&f, ZB_ATTR_CAPACITY, c->capacity);
	zb_put_number(&f, ZB_ATTR_SET_COUNT, c->table.count);
	zb_put_number(&f, ZB_ATTR_DATAPLANE_UP, c->serving);
	if (s->peer->role == ZB_ROLE_PEER)
		zb_put_number(&f, ZB_ATTR_ENDED_AWAY, s->peer->ended_away);
	zb_put_number(&f, ZB_ATTR_OVERLOADED, c->overload.on);
	answer(s, &f);
}

static void take_hello(struct session *s, const struct zb_message_in *m)
{
	static struct log_gate taken = {.rate = 20}, refused = {.rate = 20};
	enum zb_role role = (enum zb_role)zb_get_number(&m->attrs, ZB_ATTR_ROLE, ZB_ROLE_PEER);
	uint64_t instance_id = zb_get_number(&m->attrs, ZB_ATTR_INSTANCE_ID, 0);
	char name[BGF_PEER_NAME_MAX + 1];
	struct session *other = NULL; /* whose place it takes */
	struct peer *peer = NULL;
	struct refusal r;

	zb_get_string(&m->attrs, ZB_ATTR_NAME, name, sizeof(name));
	int error = peer_allow(s->control->config, &s->origin, name, role, &r);
	if (error == 0 && (peer = peer_get(s->control, name, role)) == NULL)
		error = refuse(&r, ZB_CAUSE_INTERNAL, 0, "no memory");
	if (error == 0)
		error = places_find(s, peer, &other, &r);
	if (error == 0)
		error = peer_connect(peer, instance_id, zb_get_number(&m->attrs, ZB_ATTR_RESTART, 0) == 1,
				     &r);
	if (error != 0) {
		peer_unref(peer);
		log_gated(&refused, LOG_LEVEL_WARNING, "HELLO of %s (pid %d, uid %u) refused: %s", name,
			  s->origin.pid, s->origin.uid, r.text);
		session_refuse(s, &m->header, &r);
		session_finish(s);
		return;
	}
	s->peer = peer;
	places_give(other, s);
	s->heard = timers_now();
	log_gated(&taken, LOG_LEVEL_INFO, "association of %s (pid %d, uid %u), instance %llx", name,
		  s->origin.pid, s->origin.uid, (unsigned long long)instance_id);
	answer_hello(s, m);
}

static void take_heartbeat(struct session *s, const struct zb_message_in *m)
{
	uint8_t buffer[64];
	struct zb_frame f;

	zb_answer_begin(&f, buffer, sizeof(buffer), &m->header);
	answer(s, &f);
}

static void take_bye(struct session *s, const struct zb_message_in *m)
{
	take_heartbeat(s, m); /* its answer is as bare */
	session_finish(s);
}

static void take_subscribe(struct session *s, const struct zb_message_in *m)
{
	uint8_t buffer[64];
	struct zb_frame f;

	s->events = (uint32_t)zb_get_number(&m->attrs, ZB_ATTR_EVENTS, 0);
	zb_answer_begin(&f, buffer, sizeof(buffer), &m->header);
	zb_put_number(&f, ZB_ATTR_EVENTS, s->events);
	answer(s, &f);
}

enum { PEER = 1 << ZB_ROLE_PEER, OBSERVER = 1 << ZB_ROLE_OBSERVER, OPERATOR = 1 << ZB_ROLE_OPERATOR };

static const struct {
	uint8_t type; /* enum zb_message */
	uint8_t roles;
	void (*take)(struct session *s, const struct zb_message_in *m);
} requests[] = {
	{ZB_MSG_HEARTBEAT, PEER | OBSERVER | OPERATOR, take_heartbeat},
	{ZB_MSG_BYE, PEER | OBSERVER | OPERATOR, take_bye},
	{ZB_MSG_SUBSCRIBE, PEER | OBSERVER | OPERATOR, take_subscribe},
	{ZB_MSG_INSTALL, PEER, orders_install},
	{ZB_MSG_CONFIRM, PEER, orders_confirm},
	{ZB_MSG_RELEASE, PEER | OPERATOR, orders_release},
	{ZB_MSG_QUERY, PEER | OBSERVER | OPERATOR, query_sets},
	{ZB_MSG_AUDIT, PEER | OBSERVER | OPERATOR, query_audit},
	{ZB_MSG_COUNTERS, PEER | OBSERVER | OPERATOR, query_counters},
	{ZB_MSG_PORTS, PEER | OBSERVER | OPERATOR, query_ports},
	{ZB_MSG_PEERS, PEER | OBSERVER | OPERATOR, query_peers},
};

static void take_request(struct session *s, const struct zb_message_in *m)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		if (requests[i].type != m->header.type)
			continue;
		if (requests[i].roles & 1 << s->peer->role)
			requests[i].take(s, m);
		else
			refuse_request(s, m, ZB_CAUSE_NOT_ALLOWED, 0, "not in the role that HELLO named");
		return;
	}
	refuse_request(s, m, ZB_CAUSE_UNKNOWN_MESSAGE, 0, "no request");
}

void dispatch(struct session *s, const struct zb_message_in *m)
{
	if (m->header.flags & ZB_FLAG_ANSWER)
		return; /* to our HEARTBEAT: that it came is all it says */
	if (m->header.flags & ZB_FLAG_EVENT) {
		session_close(s, "a client sends no events");
	} else if (s->peer == NULL && m->header.type == ZB_MSG_HELLO) {
		take_hello(s, m);
	} else if (s->peer == NULL) {
		refuse_request(s, m, ZB_CAUSE_NO_HELLO, 0, "HELLO comes first");
		session_finish(s);
	} else if (m->header.type == ZB_MSG_HELLO) {
		refuse_request(s, m, ZB_CAUSE_NOT_ALLOWED, 0, "HELLO came before");
	} else {
		take_request(s, m);
	}
}

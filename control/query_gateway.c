/* SPDX-License-Identifier: BSD-3-Clause
 *
 * COUNTERS, PORTS and PEERS.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/op.h"
#include "control/query.h"
#include "zb/records.h"

enum {
	WEIGHT = 16,
	PORT_ROOM = 512 + ZB_ATTR_HEADER_LEN, /* the greatest rows of answers that do not page */
	PEER_ROOM = 256 + ZB_ATTR_HEADER_LEN,
	ROW_BITS = 8, /* of a COUNTERS cursor: the row within a pair of port and worker */
};

static_assert(BGF_DROP_COUNT + 7 + 1 + 1 + DPL_POLL_GAPS + DPL_LOADS < 1 << ROW_BITS,
	      "a pair's rows fit the cursor's low bits");

/* An answer that grows while the data plane is asked for one record after the other. */
struct pass {
	uint64_t from; /* COUNTERS: the pair */
	uint32_t row, limit;
	struct zb_frame frame;
	uint8_t *buffer;
};

static struct op *begin(struct session *s, const struct zb_message_in *m)
{
	struct op *op = op_new(s, &m->header, sizeof(struct pass), WEIGHT);

	if (op == NULL) {
		session_close(s, "no memory for a request");
		return NULL;
	}
	struct pass *p = op->content;
	p->buffer = malloc(ZB_FRAME_MAX);
	if (p->buffer == NULL) {
		op_answer_status(op, -ENOMEM);
		return NULL;
	}
	zb_answer_begin(&p->frame, p->buffer, ZB_FRAME_MAX, &op->request);
	return op;
}

static void finish(struct op *op, int status)
{
	struct pass *p = op->content;
	uint8_t *buffer = p->buffer;

	if (status != 0)
		op_answer_status(op, status);
	else
		op_answer_frame(op, &p->frame);
	free(buffer);
}

static void ask(struct op *op, unsigned type, uint64_t from, dplink_done done)
{
	int error = op->control->serving ? dplink_look(op->control->link, op_looker(op), type, from, done,
						       op_is_wanted, op)
					 : -ENOTCONN;

	if (error != 0)
		finish(op, error);
}

static bool get_load(const struct dpl_counters *c, uint32_t row, struct zb_stat *ret)
{
#define NAME(name) #name,
	static const char *const names[DPL_LOADS] = {DPL_LOAD_LIST(NAME)};
#undef NAME
	uint64_t value[DPL_LOADS];

	if (row >= DPL_LOADS)
		return false;
	memcpy(value, &c->load, sizeof(value));
	*ret = (struct zb_stat){.port = UINT16_MAX, .worker = c->worker, .value = value[row]};
	snprintf(ret->name, sizeof(ret->name), "%s", names[row]);
	return true;
}

/* What is a worker's and no port's: told with port 0. Row 0 is the sum, then one row a length. */
static bool get_gap(const struct dpl_counters *c, uint32_t row, struct zb_stat *ret)
{
	if (c->port != 0)
		return false;
	if (row > DPL_POLL_GAPS)
		return get_load(c, row - DPL_POLL_GAPS - 1, ret);
	*ret = (struct zb_stat){.port = UINT16_MAX, .worker = c->worker};
	ret->value = row == 0 ? c->poll_gap_us : c->poll_gaps[row - 1];
	if (row == 0)
		snprintf(ret->name, sizeof(ret->name), "poll_gap_us");
	else
		snprintf(ret->name, sizeof(ret->name), "poll_gaps_%ums", 1u << (row - 1));
	return true;
}

/* How full the pair's receive queue is, where that is known; then what is the worker's. */
static bool get_queue(const struct dpl_counters *c, uint32_t row, struct zb_stat *ret)
{
	if (c->rx_queue == UINT64_MAX)
		return get_gap(c, row, ret);
	if (row > 0)
		return get_gap(c, row - 1, ret);
	*ret = (struct zb_stat){
		.name = "rx_queue", .port = c->port, .worker = c->worker, .value = c->rx_queue};
	return true;
}

/* --- COUNTERS: one pair of port and worker an answer, its rows numbered --- */

static bool get_stat(const struct dpl_counters *c, uint32_t row, struct zb_stat *ret)
{
	const struct {
		const char *name;
		uint64_t value;
	} totals[] = {{"rx_packets", c->rx_packets},	      {"rx_octets", c->rx_octets},
		      {"tx_packets", c->tx_packets},	      {"tx_octets", c->tx_octets},
		      {"exceptions", c->exceptions},	      {"forwarded_esp", c->forwarded_esp},
		      {"forwarded_clear", c->forwarded_clear}};
	enum { TOTALS = sizeof(totals) / sizeof(*totals) };

	if (row >= TOTALS + BGF_DROP_COUNT)
		return get_queue(c, row - TOTALS - BGF_DROP_COUNT, ret);
	*ret = (struct zb_stat){.port = c->port, .worker = c->worker};
	ret->value = row < TOTALS ? totals[row].value : c->drops[row - TOTALS];
	strncpy(ret->name, row < TOTALS ? totals[row].name : bgf_drop_name(row - TOTALS),
		sizeof(ret->name) - 1);
	return true;
}

static void on_counters(void *arg, int status, const struct dpl_header *record)
{
	const struct dpl_counters *counters = (const struct dpl_counters *)record;
	struct op *op = arg;
	struct pass *p = op->content;
	struct zb_stat stat;
	uint32_t row = p->row, rows = 0;

	if (status == -ENOENT)
		status = 0; /* beyond the last pair: no rows */
	else if (status == 0) {
		for (; rows < p->limit && get_stat(counters, row, &stat); row++, rows++)
			zb_put_stat(&p->frame, &stat);
		if (get_stat(counters, row, &stat))
			zb_put_number(&p->frame, ZB_ATTR_CURSOR, p->from << ROW_BITS | row);
		else if (counters->next != 0)
			zb_put_number(&p->frame, ZB_ATTR_CURSOR, counters->next << ROW_BITS);
	}
	finish(op, status);
}

void query_counters(struct session *s, const struct zb_message_in *m)
{
	uint64_t cursor = zb_get_number(&m->attrs, ZB_ATTR_CURSOR, 0);
	struct op *op = begin(s, m);

	if (op == NULL)
		return;
	struct pass *p = op->content;
	p->from = cursor >> ROW_BITS;
	p->row = cursor & ((1 << ROW_BITS) - 1);
	p->limit = (uint32_t)zb_get_number(&m->attrs, ZB_ATTR_LIMIT, 1 << ROW_BITS);
	ask(op, DPL_COUNTERS, p->from, on_counters);
}

/* --- PORTS --- */

static void on_port(void *arg, int status, const struct dpl_header *record)
{
	const struct dpl_port *port = (const struct dpl_port *)record;
	struct op *op = arg;
	struct pass *p = op->content;

	if (status != 0) {
		finish(op, status == -ENOENT ? 0 : status);
		return;
	}
	struct zb_port row = {.port = port->port,
			      .access = port->access,
			      .up = port->up,
			      .mtu = port->mtu,
			      .neighbours = port->neighbours,
			      .routes = port->routes,
			      .rx_packets = port->rx_packets,
			      .tx_packets = port->tx_packets,
			      .rx_missed = port->rx_missed,
			      .rx_errors = port->rx_errors,
			      .tx_errors = port->tx_errors};
	memcpy(row.mac, port->mac, sizeof(row.mac));
	memcpy(row.device, port->device, sizeof(row.device) - 1);
	memcpy(row.tap, port->tap, sizeof(row.tap) - 1);
	zb_put_port(&p->frame, &row);
	if (port->next != 0 && zb_frame_room(&p->frame) >= PORT_ROOM)
		ask(op, DPL_PORTS, port->next, on_port);
	else
		finish(op, 0);
}

void query_ports(struct session *s, const struct zb_message_in *m)
{
	struct op *op = begin(s, m);

	if (op != NULL)
		ask(op, DPL_PORTS, 0, on_port);
}

/* --- PEERS --- */

void query_peers(struct session *s, const struct zb_message_in *m)
{
	struct op *op = begin(s, m);
	const struct peer *peer;

	if (op == NULL)
		return;
	struct pass *p = op->content;
	TAILQ_FOREACH (peer, &s->control->peers, next) {
		struct zb_peer row = {.instance_id = peer->instance_id,
				      .connections = peer->connections,
				      .sets = peer->set_count,
				      .role = (uint8_t)peer->role};
		memcpy(row.name, peer->name, sizeof(row.name));
		if (zb_frame_room(&p->frame) < PEER_ROOM)
			break;
		zb_put_peer(&p->frame, &row);
	}
	finish(op, 0);
}

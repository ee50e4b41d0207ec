/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The smallest P-CSCF that a gateway can have: it installs the set of one phone, confirms it, listens to
 * events, and releases it. Where a real P-CSCF would handle SIP, a comment says so.
 *
 *	pcscf SOCKET NAME UE-ADDRESS SERVED-ADDRESS SECONDS
 *
 * NAME is one of control.peers in the gateway's bgf.conf.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <zb.h>

/* Says what went wrong: the gateway's cause if it has refused, else what the library says. */
static int failed(const char *what, int r, const struct zb_error *e)
{
	if (r == -EREMOTEIO)
		fprintf(stderr, "%s: %s %s: %s\n", what, zb_cause_name(e->cause),
			e->attribute != 0 ? zb_attribute_name(e->attribute) : "", e->text);
	else
		fprintf(stderr, "%s: %s\n", what, e->text);
	return 1;
}

/* Numbers that must be new each time: instance ids and references. */
static uint64_t draw(void)
{
	uint64_t number = 0;

	while (number == 0)
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			abort();
	return number;
}

/* What a real P-CSCF takes from the UE's Security-Client, from the 401 of the S-CSCF, and from its own choice
 * of ports. */
static int fill_install(struct zb_install *i, const char *ue, const char *served)
{
	*i = (struct zb_install){
		.reference = draw(),
		.subscriber = "001010000000001@ims.example",
		.registration_id = "",
		.selectors = {.port_uc = 5062,
			      .port_us = 5064,
			      .port_pc = 6060,
			      .port_ps = 6062,
			      .spi_uc = 11111,
			      .spi_us = 22222},
		.alg = BGF_ALG_HMAC_SHA_1_96,
		.ealg = BGF_EALG_NONE,
		.mod = BGF_MOD_TRANS,
		.flags = BGF_SET_BEGAN_UNPROTECTED,
	};
	if (bgf_addr_parse(ue, &i->selectors.ue) < 0 || bgf_addr_parse(served, &i->selectors.served) < 0) {
		fputs("that is no IP address\n", stderr);
		return -EINVAL;
	}
	/* The IK of the 401. This one is made up. */
	return getrandom(i->ik, sizeof(i->ik), 0) == sizeof(i->ik) ? 0 : -EIO;
}

static void on_event(const struct zb_event *event, void *arg)
{
	(void)arg;
	printf("event %s, set %llu%s%s\n", zb_event_name(event->kind), (unsigned long long)event->set_id,
	       event->kind == ZB_EVENT_REMOVED ? ": " : "",
	       event->kind == ZB_EVENT_REMOVED ? bgf_removed_text(event->why) : "");
	/* FIRST_USED: new requests to the UE go from this set's port_pc now (TS 24.229 5.2.2.2).
	 * EXPIRED, REMOVED: forget the set. EPOCH_LOST: forget all of them. GAP: zb_query tells which still
	 * are. */
}

/* What a P-CSCF's own loop does: polls the descriptor among its others, and calls zb_process when it is
 * readable and once a second. */
static void listen_for(struct zb *zb, time_t seconds)
{
	time_t end = time(NULL) + seconds;

	while (time(NULL) < end) {
		struct pollfd p = {.fd = zb_fd(zb), .events = POLLIN};
		poll(&p, 1, 1000);
		zb_process(zb, on_event, NULL);
	}
}

/* From the 401 to the end of the registration. */
static int serve_one_phone(struct zb *zb, struct zb_install *i, time_t seconds)
{
	struct zb_error e;
	struct zb_set set;
	int r = zb_install(zb, i, &set, &e);

	/* No other copy of the key is left in this process: the library has wiped its own. */
	explicit_bzero(i->ik, sizeof(i->ik));
	if (r < 0) /* the UE gets 504, never the 401 */
		return failed("INSTALL", r, &e);
	/* Now, and not before: strip ik and ck from the 401, add Security-Server, send it on. */
	printf("Security-Server: ipsec-3gpp; alg=%s; ealg=%s; mod=%s; spi-c=%u; spi-s=%u; port-c=%u; "
	       "port-s=%u\n",
	       bgf_alg_text(set.alg), bgf_ealg_text(set.ealg), bgf_mod_text(set.mod), set.selectors.spi_pc,
	       set.selectors.spi_ps, set.selectors.port_pc, set.selectors.port_ps);

	/* The protected REGISTER came to port_ps, the S-CSCF says 200 with Expires: 600. Confirm, then relay
	 * it. */
	r = zb_confirm(zb, set.set_id, draw(), 600, &set, &e);
	if (r < 0)
		return failed("CONFIRM", r, &e);
	printf("set %llu is %s for %llu s\n", (unsigned long long)set.set_id, bgf_set_state_text(set.state),
	       (unsigned long long)set.remaining_ms / 1000);

	listen_for(zb, seconds);

	/* Deregistered: the set still works for a second, so that the 200 OK reaches the UE under protection.
	 * A real P-CSCF gives it 64 * T1, 128 s. */
	r = zb_release(zb, set.set_id, draw(), 1, &e);
	if (r < 0)
		return failed("RELEASE", r, &e);
	listen_for(zb, 3);
	return 0;
}

int main(int argc, char **argv)
{
	struct zb_install install;
	struct zb_gateway gateway;
	struct zb_error e;
	struct zb *zb;

	if (argc != 6) {
		fputs("Usage: pcscf SOCKET NAME UE-ADDRESS SERVED-ADDRESS SECONDS\n", stderr);
		return 2;
	}
	/* Every process of one P-CSCF uses the same name and instance id; a new start draws a new one. */
	struct zb_options options = {
		.path = argv[1], .name = argv[2], .instance_id = draw(), .release_former = 1};
	int r = zb_open(&options, &zb, &e);
	if (r < 0)
		return failed("zb_open", r, &e);
	r = zb_gateway(zb, &gateway, &e);
	if (r == 0)
		r = zb_subscribe(zb, ZB_EVENTS_ALL, &e);
	if (r < 0) {
		zb_close(zb);
		return failed("connect", r, &e);
	}
	printf("gateway %s: %u of %u sets, data plane %s\n", gateway.name, gateway.sets, gateway.capacity,
	       gateway.dataplane_up ? "up" : "down");
	int status = fill_install(&install, argv[3], argv[4]) < 0
			     ? 2
			     : serve_one_phone(zb, &install, atol(argv[5]));
	zb_close(zb);
	return status;
}

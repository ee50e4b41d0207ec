/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bgfctl show sets, set, ports, peers, gateway.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bgf_drop.h"
#include "bgfctl.h"
#include "bgfctl_out.h"

enum { PAGE = 64 /* rows a call */ };

/* The SAs of a set in the order of struct zb_set, as rule 1 names them. */
static const char *const sa_names[4] = {"inbound server", "inbound client", "outbound server",
					"outbound client"};
static const char *const sa_keys[4] = {"ps", "pc", "uc", "us"};

static uint64_t drops_of(const struct zb_set *set)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < set->drop_count; i++)
		sum += set->drops[i].count;
	return sum;
}

static uint32_t spi_of(const struct bgf_set_selectors *s, unsigned sa)
{
	const uint32_t spis[4] = {s->spi_ps, s->spi_pc, s->spi_uc, s->spi_us};
	return spis[sa];
}

void json_selectors(const struct bgf_set_selectors *s)
{
	char text[BGF_ADDR_STRLEN];

	json_string("ue", bgf_addr_text(&s->ue, text));
	json_string("served", bgf_addr_text(&s->served, text));
	json_number("port_uc", s->port_uc);
	json_number("port_us", s->port_us);
	json_number("port_pc", s->port_pc);
	json_number("port_ps", s->port_ps);
	json_number("spi_uc", s->spi_uc);
	json_number("spi_us", s->spi_us);
	json_number("spi_pc", s->spi_pc);
	json_number("spi_ps", s->spi_ps);
}

static void json_traffic(const struct zb_set *set)
{
	json_open("sa", '{');
	for (unsigned i = 0; i < 4; i++) {
		json_open(sa_keys[i], '{');
		json_number("spi", spi_of(&set->selectors, i));
		json_number("packets", set->packets[i]);
		json_number("octets", set->octets[i]);
		json_number("sequence", set->sequence[i]);
		json_close('}');
	}
	json_close('}');
	json_open("drops", '{');
	for (unsigned i = 0; i < set->drop_count; i++)
		json_number(zb_drop_name(set->drops[i].reason), set->drops[i].count);
	json_close('}');
}

static void json_set(const struct zb_set *set)
{
	char hex[2 * sizeof(set->fingerprint) + 1];

	json_open(NULL, '{');
	json_number("set_id", set->set_id);
	json_string("state", bgf_set_state_text(set->state));
	json_number("remaining_ms", set->remaining_ms);
	json_bool("first_used", set->first_used);
	json_string("peer", set->peer);
	json_number("reference", set->reference);
	json_string("subscriber", set->subscriber);
	json_string("registration_id", set->registration_id);
	json_selectors(&set->selectors);
	json_string("alg", bgf_alg_text(set->alg));
	json_string("ealg", bgf_ealg_text(set->ealg));
	json_string("mod", bgf_mod_text(set->mod));
	json_bool("began_unprotected", set->flags & BGF_SET_BEGAN_UNPROTECTED);
	json_bool("emergency", set->flags & BGF_SET_EMERGENCY);
	json_bool("replace", set->flags & BGF_SET_REPLACE);
	json_string("fingerprint", hex_text(set->fingerprint, sizeof(set->fingerprint), hex));
	json_traffic(set);
	json_close('}');
}

static void row_of_set(struct table *t, const struct zb_set *set)
{
	const struct bgf_set_selectors *s = &set->selectors;
	char ue[BGF_ADDR_STRLEN], left[32];

	table_cell(t, "%" PRIu64, set->set_id);
	table_cell(t, "%s", bgf_set_state_text(set->state));
	table_cell(t, "%s", duration_text(set->remaining_ms, left));
	table_cell(t, "%s%s%s", set->subscriber, set->registration_id[0] != '\0' ? " #" : "",
		   set->registration_id);
	table_cell(t, "%s", bgf_addr_text(&s->ue, ue));
	table_cell(t, "%u>%u", s->port_uc, s->port_ps);
	table_cell(t, "%u<%u", s->port_us, s->port_pc);
	table_cell(t, "%" PRIu64, set->packets[0] + set->packets[1]);
	table_cell(t, "%" PRIu64, set->packets[2] + set->packets[3]);
	table_cell(t, "%" PRIu64, drops_of(set));
	table_cell(t, "%s", set->peer);
}

static struct zb_query query_of_options(const struct ctl *c)
{
	struct zb_query q = {.subscriber = c->option[CTL_OPT_SUBSCRIBER],
			     .registration_id = c->option[CTL_OPT_REGISTRATION_ID]};

	if (q.registration_id != NULL && q.subscriber == NULL)
		ctl_usage_error("--registration-id goes only with --subscriber");
	ctl_address(c, CTL_OPT_UE, &q.ue);
	q.port_ue = (uint16_t)ctl_number(c, CTL_OPT_PORT, 1, 65535, 0);
	return q;
}

static void print_sets_end(const struct ctl *c, struct table *t, size_t total)
{
	if (c->json) {
		json_close(']');
		json_close('}');
		json_end();
		table_forget(t);
		return;
	}
	if (total > 0)
		table_end(t, 0);
	else
		table_forget(t);
	printf("%zu set%s\n", total, total == 1 ? "" : "s");
}

int show_sets(struct ctl *c)
{
	static const char *const titles[] = {">SET",  "STATE", "LEFT", "SUBSCRIBER", "UE",    "UC>PS",
					     "US<PC", ">IN",   ">OUT", ">DROPPED",   "P-CSCF"};
	struct zb_query q = query_of_options(c);
	struct zb_set rows[PAGE];
	struct table t;
	size_t n, total = 0;
	int r = zb_query(c->zb, &q, rows, PAGE, &n, &c->error);

	if (r < 0)
		return ctl_failed(c, r);
	table_begin(&t, titles, sizeof(titles) / sizeof(titles[0]));
	if (c->json) {
		json_open(NULL, '{');
		json_open("sets", '[');
	}
	for (;;) {
		total += n;
		for (size_t i = 0; i < n && c->json; i++)
			json_set(&rows[i]);
		for (size_t i = 0; i < n && !c->json; i++)
			row_of_set(&t, &rows[i]);
		if (q.cursor == 0)
			break;
		r = zb_query(c->zb, &q, rows, PAGE, &n, &c->error);
		if (r < 0) {
			table_forget(&t);
			return ctl_failed(c, r);
		}
	}
	print_sets_end(c, &t, total);
	return 0;
}

static void print_addresses(const struct zb_set *set)
{
	const struct bgf_set_selectors *s = &set->selectors;
	char ue[BGF_ADDR_STRLEN], served[BGF_ADDR_STRLEN];

	printf("  UE                 %s, port_uc %u, port_us %u\n", bgf_addr_text(&s->ue, ue), s->port_uc,
	       s->port_us);
	printf("  P-CSCF             %s, port_pc %u, port_ps %u\n", bgf_addr_text(&s->served, served),
	       s->port_pc, s->port_ps);
}

static void print_sas(const struct zb_set *set)
{
	static const char *const titles[] = {"SA", "SPI", ">FROM", "TO", ">PACKETS", ">OCTETS", ">SEQUENCE"};
	const struct bgf_set_selectors *s = &set->selectors;
	const struct {
		const char *from, *to;
		unsigned from_port, to_port;
	} ways[4] = {{"UE", "P-CSCF", s->port_uc, s->port_ps},
		     {"UE", "P-CSCF", s->port_us, s->port_pc},
		     {"P-CSCF", "UE", s->port_ps, s->port_uc},
		     {"P-CSCF", "UE", s->port_pc, s->port_us}};
	struct table t;

	table_begin(&t, titles, sizeof(titles) / sizeof(titles[0]));
	for (unsigned i = 0; i < 4; i++) {
		table_cell(&t, "%s", sa_names[i]);
		table_cell(&t, "spi_%s 0x%08" PRIx32, sa_keys[i], spi_of(s, i));
		table_cell(&t, "%s %u", ways[i].from, ways[i].from_port);
		table_cell(&t, "%s %u", ways[i].to, ways[i].to_port);
		table_cell(&t, "%" PRIu64, set->packets[i]);
		table_cell(&t, "%" PRIu64, set->octets[i]);
		table_cell(&t, "%" PRIu64, set->sequence[i]);
	}
	table_end(&t, 2);
}

static void print_drops(const struct zb_set *set)
{
	static const char *const titles[] = {"DROPPED", ">PACKETS", "WHY"};
	struct table t;

	if (set->drop_count == 0) {
		puts("\n  No packet of this set was dropped.");
		return;
	}
	putchar('\n');
	table_begin(&t, titles, sizeof(titles) / sizeof(titles[0]));
	for (unsigned i = 0; i < set->drop_count; i++) {
		const char *why = bgf_drop_text(set->drops[i].reason);
		table_cell(&t, "%s", zb_drop_name(set->drops[i].reason));
		table_cell(&t, "%" PRIu64, set->drops[i].count);
		table_cell(&t, "%s", why != NULL ? why : "a reason that this bgfctl does not know");
	}
	table_end(&t, 2);
}

void print_set(const struct ctl *c, const struct zb_set *set)
{
	char left[32], hex[2 * sizeof(set->fingerprint) + 1];

	if (c->json) {
		json_set(set);
		json_end();
		return;
	}
	printf("Set %" PRIu64 ": %s, %s left\n", set->set_id, bgf_set_state_text(set->state),
	       duration_text(set->remaining_ms, left));
	printf("  subscriber         %s\n", set->subscriber);
	if (set->registration_id[0] != '\0')
		printf("  registration id    %s\n", set->registration_id);
	printf("  installed by       %s, reference %" PRIu64 "\n", set->peer, set->reference);
	print_addresses(set);
	printf("  algorithms         alg %s, ealg %s, mod %s; key fingerprint %s\n", bgf_alg_text(set->alg),
	       bgf_ealg_text(set->ealg), bgf_mod_text(set->mod),
	       hex_text(set->fingerprint, sizeof(set->fingerprint), hex));
	printf("  flags              %s%s%s%s\n",
	       set->flags & BGF_SET_BEGAN_UNPROTECTED ? "began unprotected  " : "",
	       set->flags & BGF_SET_EMERGENCY ? "emergency  " : "",
	       set->flags & BGF_SET_REPLACE ? "replaces a set with the same ports at CONFIRM" : "",
	       set->flags == 0 ? "none" : "");
	printf("  used since CONFIRM %s\n\n", set->first_used ? "yes" : "no");
	print_sas(set);
	print_drops(set);
}

int show_set(struct ctl *c)
{
	struct zb_query q = {.set_id = ctl_set_id(c)};
	struct zb_set set;
	size_t n = 0;
	int r = zb_query(c->zb, &q, &set, 1, &n, &c->error);

	if (r < 0)
		return ctl_failed(c, r);
	if (n == 0) {
		fprintf(stderr, "bgfctl: there is no set %s: it expired, was released, or never was\n",
			c->argument);
		return 1;
	}
	print_set(c, &set);
	return 0;
}

static void json_port(const struct zb_port *p)
{
	char mac[13];

	json_open(NULL, '{');
	json_number("port", p->port);
	json_string("side", p->access ? "access" : "core");
	json_bool("up", p->up);
	json_number("mtu", p->mtu);
	json_string("mac", hex_text(p->mac, sizeof(p->mac), mac));
	json_number("neighbours", p->neighbours);
	json_number("routes", p->routes);
	json_string("device", p->device);
	json_string("tap", p->tap);
	json_number("rx_packets", p->rx_packets);
	json_number("tx_packets", p->tx_packets);
	json_number("rx_missed", p->rx_missed);
	json_number("rx_errors", p->rx_errors);
	json_number("tx_errors", p->tx_errors);
	json_close('}');
}

static void row_of_port(struct table *t, const struct zb_port *p)
{
	table_cell(t, "%u", p->port);
	table_cell(t, "%s", p->access ? "access" : "core");
	table_cell(t, "%s", p->up ? "up" : "DOWN");
	table_cell(t, "%u", p->mtu);
	table_cell(t, "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2], p->mac[3], p->mac[4],
		   p->mac[5]);
	table_cell(t, "%u", p->neighbours);
	table_cell(t, "%u", p->routes);
	table_cell(t, "%" PRIu64, p->rx_packets);
	table_cell(t, "%" PRIu64, p->tx_packets);
	table_cell(t, "%" PRIu64, p->rx_missed);
	table_cell(t, "%" PRIu64, p->rx_errors + p->tx_errors);
	table_cell(t, "%s", p->tap);
	table_cell(t, "%s", p->device);
}

int show_ports(struct ctl *c)
{
	static const char *const titles[] = {">PORT",	    "SIDE",    "LINK",	    ">MTU",  "MAC",
					     ">NEIGHBOURS", ">ROUTES", ">RECEIVED", ">SENT", ">MISSED",
					     ">ERRORS",	    "TAP",     "DEVICE"};
	struct zb_port rows[PAGE];
	struct table t;
	size_t n = 0;
	int r = zb_ports(c->zb, rows, PAGE, &n, &c->error);

	if (r < 0)
		return ctl_failed(c, r);
	if (c->json) {
		json_open(NULL, '{');
		json_open("ports", '[');
		for (size_t i = 0; i < n; i++)
			json_port(&rows[i]);
		json_close(']');
		json_close('}');
		json_end();
		return 0;
	}
	table_begin(&t, titles, sizeof(titles) / sizeof(titles[0]));
	for (size_t i = 0; i < n; i++)
		row_of_port(&t, &rows[i]);
	table_end(&t, 0);
	return 0;
}

static const char *role_text(unsigned role)
{
	static const char *const texts[] = {"peer", "observer", "operator"};
	return role < sizeof(texts) / sizeof(texts[0]) ? texts[role] : "?";
}

static void print_peers(const struct zb_peer *rows, size_t n)
{
	static const char *const titles[] = {"NAME", "ROLE", ">CONNECTIONS", ">SETS", ">INSTANCE"};
	struct table t;

	table_begin(&t, titles, sizeof(titles) / sizeof(titles[0]));
	for (size_t i = 0; i < n; i++) {
		table_cell(&t, "%s", rows[i].name);
		table_cell(&t, "%s", role_text(rows[i].role));
		table_cell(&t, "%" PRIu32, rows[i].connections);
		table_cell(&t, "%" PRIu32, rows[i].sets);
		table_cell(&t, "%" PRIu64, rows[i].instance_id);
	}
	table_end(&t, 0);
}

int show_peers(struct ctl *c)
{
	static struct zb_peer rows[1024];
	size_t n = 0;
	int r = zb_peers(c->zb, rows, sizeof(rows) / sizeof(rows[0]), &n, &c->error);

	if (r < 0)
		return ctl_failed(c, r);
	if (!c->json) {
		print_peers(rows, n);
		return 0;
	}
	json_open(NULL, '{');
	json_open("peers", '[');
	for (size_t i = 0; i < n; i++) {
		json_open(NULL, '{');
		json_string("name", rows[i].name);
		json_string("role", role_text(rows[i].role));
		json_number("connections", rows[i].connections);
		json_number("sets", rows[i].sets);
		json_number("instance_id", rows[i].instance_id);
		json_close('}');
	}
	json_close(']');
	json_close('}');
	json_end();
	return 0;
}

int show_gateway(struct ctl *c)
{
	struct zb_gateway g;
	char hex[2 * sizeof(g.boot_id) + 1];
	int r = zb_gateway(c->zb, &g, &c->error);

	if (r < 0)
		return ctl_failed(c, r);
	hex_text(g.boot_id, sizeof(g.boot_id), hex);
	if (!c->json) {
		printf("%s: data plane %s, %" PRIu32 " of %" PRIu32 " sets, Zb version %u%s\n"
		       "store epoch %016" PRIx64 ", boot id %s\n",
		       g.name, g.dataplane_up ? "up" : "DOWN", g.sets, g.capacity, g.version,
		       g.overloaded ? "; OVERLOADED: new registrations are refused" : "", g.store_epoch, hex);
		return 0;
	}
	json_open(NULL, '{');
	json_string("name", g.name);
	json_number("version", g.version);
	json_bool("dataplane_up", g.dataplane_up);
	json_bool("overloaded", g.overloaded);
	json_number("sets", g.sets);
	json_number("capacity", g.capacity);
	json_number("store_epoch", g.store_epoch);
	json_string("boot_id", hex);
	json_close('}');
	json_end();
	return 0;
}

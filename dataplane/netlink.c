/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Neighbours and new addresses are taken from events as they come. What else happens to addresses, routes and
 * links asks for a full dump, because the kernel removes routes silently when a link or address goes, and
 * holds several routes to a prefix of which the next best must come back. One socket for both, so that events
 * and dumps come in the order in which things happened.
 */
#include "netlink.h"

#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "netns.h"
#include "nexthop.h"
#include "served.h"

enum {
	RECEIVE_BUFFER = 4 << 20, /* octets; some 10,000 events */
	READ_BUFFER = 32768,	  /* octets; the kernel fills so much in a dump */
	READS_MAX = 64,		  /* a run: the taps wait too */
	DUMP_GAP_MS = 200,	  /* from a full dump to the next at least */
	DUMP_LIMIT_MS = 5000,	  /* a dump that tells nothing for so long was lost */
	TORN_AT_START = 3,	  /* dumps that are tried again at once */
	TICK_MS = 1000,
	GATEWAYS_TICK = 64, /* that are asked for again, a tick */
	ATTRIBUTES = 64,
};

/* The parts of a full dump, in this order: an own address wins against a route to it. */
static const struct {
	uint16_t type;
	uint8_t family;
} dump_parts[] = {
	{RTM_GETADDR, AF_UNSPEC},
	{RTM_GETROUTE, AF_INET},
	{RTM_GETROUTE, AF_INET6},
	{RTM_GETNEIGH, AF_UNSPEC},
};
enum { DUMP_PARTS = sizeof(dump_parts) / sizeof(dump_parts[0]), DUMP_NONE = -1 };
static_assert((int)SERVED_MAX <= 64, "a bit for each served address");

struct netlink {
	struct mnl_socket *socket;
	struct nexthop_table *table;
	const struct served_table *served;
	uint64_t served_told, served_said; /* of this dump; in the log: bits by index */
	unsigned ifindex;
	char tap[IF_NAMESIZE];
	uint32_t seq;
	int part; /* of the dump that runs, or DUMP_NONE */
	uint32_t dump_seq;
	uint64_t now, dump_heard, dump_ended, ticked; /* ms; `now` of this run */
	unsigned torn;				      /* dumps since the last whole one */
	bool dump_wanted, dump_torn, filled;
	bool managed_works, managed_refused; /* NTF_EXT_MANAGED */
	bool full_said, kernel_full_said;
	uint16_t gateway_cursor;
};

/* ---- sending ---- */

static void send_message(struct netlink *n, struct nlmsghdr *h, uint16_t flags)
{
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = ++n->seq;
	/* A request that does not go is repeated: a dump after DUMP_LIMIT_MS, a neighbour with its next
	 * packet or at the next tick. */
	(void)mnl_socket_sendto(n->socket, h, h->nlmsg_len);
}

static void dump_part(struct netlink *n)
{
	char buffer[128] = {0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);

	h->nlmsg_type = dump_parts[n->part].type;
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m)); /* all three begin with the family */
	m->rtm_family = dump_parts[n->part].family;
	send_message(n, h, NLM_F_DUMP);
	n->dump_seq = n->seq;
}

static void dump_begin(struct netlink *n)
{
	n->dump_wanted = n->dump_torn = n->full_said = false;
	n->dump_heard = n->now;
	n->served_told = 0;
	n->part = 0;
	nexthop_dump_begin(n->table);
	dump_part(n);
}

static void dump_over(struct netlink *n)
{
	n->part = DUMP_NONE;
	n->dump_ended = n->now;
}

static void neighbour_request(struct netlink *n, const struct bgf_addr *neighbour, uint16_t type)
{
	char buffer[128] = {0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	bool managed = !n->managed_refused;

	h->nlmsg_type = type;
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ndm_family = neighbour->family == 6 ? AF_INET6 : AF_INET;
	m->ndm_ifindex = (int)n->ifindex;
	mnl_attr_put(h, NDA_DST, bgf_addr_len(neighbour), neighbour->octet);
	if (type != RTM_NEWNEIGH) {
		send_message(n, h, 0);
		return;
	}
	m->ndm_flags = managed ? 0 : NTF_USE;
	if (managed)
		mnl_attr_put_u32(h, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	send_message(n, h, NLM_F_CREATE | NLM_F_ACK);
}

/* What the kernel knows already it does not tell when it is asked to find it out, and the event that told it
 * may have been missed: so it is asked to tell it, too. */
void netlink_want(struct netlink *n, const struct bgf_addr *neighbour)
{
	neighbour_request(n, neighbour, RTM_NEWNEIGH);
	neighbour_request(n, neighbour, RTM_GETNEIGH);
}

/* ---- what the kernel says ---- */

struct attributes {
	const struct nlattr *at[ATTRIBUTES];
};

static int collect(const struct nlattr *a, void *data)
{
	struct attributes *all = data;
	uint16_t type = mnl_attr_get_type(a);

	if (type < ATTRIBUTES)
		all->at[type] = a;
	return MNL_CB_OK;
}

static bool read_address(const struct nlattr *a, struct bgf_addr *ret)
{
	return a &&
	       bgf_addr_from_octets(mnl_attr_get_payload(a), (uint8_t)mnl_attr_get_payload_len(a), ret) == 0;
}

static uint32_t read_u32(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) >= sizeof(uint32_t) ? mnl_attr_get_u32(a) : 0;
}

static void entered(struct netlink *n, int r)
{
	if (r != -ENOSPC || n->full_said)
		return;
	n->full_said = true;
	dp_log(DP_WARNING, "tap %s: the next-hop table is full; some routes or neighbours are not used",
	       n->tap);
}

/* The kernel beside a port speaks for the port, never for a P-CSCF: were a served address the tap's own, what
 * its programs send from there would go to UEs in the clear, and what came for it would have no way on. */
static bool is_served(struct netlink *n, const struct bgf_addr *own)
{
	const uint16_t index = served_find(n->served, own->octet, own->family == 6);
	char text[BGF_ADDR_STRLEN];

	if (index == SERVED_NONE)
		return false;
	const uint64_t bit = UINT64_C(1) << index;
	if (!(n->served_said & bit))
		dp_log(DP_ERROR,
		       "tap %s: %s is a served address: a P-CSCF's behind the core port, never one of a tap. "
		       "It is not taken for the gateway's own, and what the kernel sends from it is dropped "
		       "(tap_source), answers to ARP too; remove it with 'ip addr del', and have the network "
		       "beside route it to the tap's own address",
		       n->tap, bgf_addr_text(own, text));
	n->served_told |= bit;
	n->served_said |= bit;
	return true;
}

static void on_address(struct netlink *n, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	struct attributes all = {0};
	struct bgf_addr own;

	if (m->ifa_index != n->ifindex)
		return;
	mnl_attr_parse(h, sizeof(*m), collect, &all);
	uint32_t flags = all.at[IFA_FLAGS] ? read_u32(all.at[IFA_FLAGS]) : m->ifa_flags;
	/* A tentative address is ours already: it must hear the answers to its duplicate address detection.
	 */
	if (flags & IFA_F_DADFAILED)
		return;
	/* IFA_ADDRESS is the peer's on a point-to-point link; IFA_LOCAL, where there is one, ours. */
	if ((read_address(all.at[IFA_LOCAL], &own) || read_address(all.at[IFA_ADDRESS], &own)) &&
	    !is_served(n, &own))
		entered(n, nexthop_local_add(n->table, &own));
}

struct hop {
	unsigned ifindex;
	struct bgf_addr gateway;
};

static void read_gateway(const struct attributes *all, struct bgf_addr *ret)
{
	const struct nlattr *via = all->at[RTA_VIA];

	if (read_address(all->at[RTA_GATEWAY], ret) || !via)
		return;
	/* RFC 5549: an IPv4 prefix with an IPv6 next hop. */
	const struct rtvia *v = mnl_attr_get_payload(via);
	uint16_t length = mnl_attr_get_payload_len(via);
	if (length > sizeof(*v))
		(void)bgf_addr_from_octets(v->rtvia_addr, (uint8_t)(length - sizeof(*v)), ret);
}

/* Of the next hops of a multipath route the first that is alive on our tap: one path a prefix, so that the
 * packets of a UE stay in order. */
static bool multipath_hop(const struct nlattr *multipath, unsigned ifindex, struct hop *ret)
{
	const char *at = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);

	while (left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *rtnh = (const struct rtnexthop *)at;
		if (rtnh->rtnh_len < sizeof(*rtnh) || rtnh->rtnh_len > left)
			return false;
		if ((unsigned)rtnh->rtnh_ifindex == ifindex && !(rtnh->rtnh_flags & RTNH_F_DEAD)) {
			struct attributes all = {0};
			mnl_attr_parse_payload(RTNH_DATA(rtnh), rtnh->rtnh_len - sizeof(*rtnh), collect,
					       &all);
			*ret = (struct hop){.ifindex = ifindex};
			read_gateway(&all, &ret->gateway);
			return true;
		}
		size_t step = RTNH_ALIGN(rtnh->rtnh_len);
		if (step > left)
			return false;
		at += step;
		left -= step;
	}
	return false;
}

/* Whether a route of this type forbids what it covers. Blackholes and the like belong to no interface and
 * count on every port; broadcast and multicast addresses of the tap's own networks have no neighbour. */
static bool discards(const struct rtmsg *m, bool ours)
{
	switch (m->rtm_type) {
	case RTN_BLACKHOLE:
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT:
		return true;
	case RTN_BROADCAST:
	case RTN_MULTICAST:
		return ours;
	default:
		return false;
	}
}

static void on_route(struct netlink *n, const struct nlmsghdr *h)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct attributes all = {0};
	struct hop hop = {0};
	struct nexthop_route route = {.length = m->rtm_dst_len};

	if (m->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD) || m->rtm_tos != 0 || m->rtm_src_len != 0)
		return;
	mnl_attr_parse(h, sizeof(*m), collect, &all);
	route.prefix.family = m->rtm_family == AF_INET6 ? 6 : 4;
	if (all.at[RTA_DST] && !read_address(all.at[RTA_DST], &route.prefix))
		return;
	hop.ifindex = read_u32(all.at[RTA_OIF]);
	read_gateway(&all, &hop.gateway);
	if (all.at[RTA_MULTIPATH] && !multipath_hop(all.at[RTA_MULTIPATH], n->ifindex, &hop))
		return;

	bool ours = hop.ifindex == n->ifindex;
	route.discard = discards(m, ours);
	if (!route.discard && (!ours || m->rtm_type != RTN_UNICAST))
		return;
	route.gateway = hop.gateway;
	uint32_t table = all.at[RTA_TABLE] ? read_u32(all.at[RTA_TABLE]) : m->rtm_table;
	/* The kernel's order: local, main, then others that policy rules lead to. */
	uint64_t order = table == RT_TABLE_LOCAL ? 0 : table == RT_TABLE_MAIN ? 1 : 2;
	if (route.discard && order == 2)
		return;
	route.rank = order << 32 | read_u32(all.at[RTA_PRIORITY]);
	entered(n, nexthop_route_offer(n->table, &route));
}

/* The kernel keeps neighbours for groups too; nobody forwards to them. */
static bool is_multicast(const struct bgf_addr *a)
{
	return a->family == 6 ? a->octet[0] == 0xff : a->octet[0] >> 4 == 0xe;
}

static void on_neighbour(struct netlink *n, const struct nlmsghdr *h)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	const uint16_t usable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
	struct attributes all = {0};
	struct bgf_addr address;

	if ((unsigned)m->ndm_ifindex != n->ifindex || m->ndm_flags & NTF_PROXY)
		return;
	mnl_attr_parse(h, sizeof(*m), collect, &all);
	if (!read_address(all.at[NDA_DST], &address) || is_multicast(&address))
		return;
	const struct nlattr *mac = all.at[NDA_LLADDR];
	if (h->nlmsg_type == RTM_DELNEIGH || !(m->ndm_state & usable) || !mac ||
	    mnl_attr_get_payload_len(mac) != 6)
		mac = NULL;
	entered(n, nexthop_neighbour_set(n->table, &address, mac ? mnl_attr_get_payload(mac) : NULL));

	/* Our forwarding never tells the kernel that a neighbour is in use. One that goes stale is given to
	 * the kernel to be kept fresh; one that is gone is not asked for ever, if no route needs it. */
	bool managed = read_u32(all.at[NDA_FLAGS_EXT]) & NTF_EXT_MANAGED;
	if (h->nlmsg_type == RTM_NEWNEIGH && m->ndm_state == NUD_STALE && !managed)
		neighbour_request(n, &address, RTM_NEWNEIGH);
	if (h->nlmsg_type == RTM_NEWNEIGH && m->ndm_state == NUD_FAILED && managed &&
	    !nexthop_is_gateway(n->table, &address))
		neighbour_request(n, &address, RTM_DELNEIGH);
}

static void on_error(struct netlink *n, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

	if (h->nlmsg_seq == n->dump_seq && n->part != DUMP_NONE) {
		dump_over(n); /* -EBUSY: an earlier one still runs */
		n->dump_wanted = true;
		return;
	}
	if (e->msg.nlmsg_type != RTM_NEWNEIGH)
		return;
	if (e->error == 0) {
		n->managed_works = true;
	} else if ((e->error == -EINVAL || e->error == -EOPNOTSUPP) && !n->managed_works &&
		   !n->managed_refused) {
		n->managed_refused = true;
		dp_log(DP_WARNING,
		       "tap %s: this kernel does not keep neighbours fresh by itself (NTF_EXT_MANAGED, Linux "
		       "5.16); "
		       "they are asked for when they go stale",
		       n->tap);
	} else if (e->error == -ENOBUFS && !n->kernel_full_said) {
		n->kernel_full_said = true;
		dp_log(DP_WARNING,
		       "tap %s: the kernel's neighbour table is full; raise "
		       "net.ipv4.neigh.default.gc_thresh3 and "
		       "net.ipv6.neigh.default.gc_thresh3 of the host",
		       n->tap);
	}
}

static void on_done(struct netlink *n, const struct nlmsghdr *h)
{
	if (n->part == DUMP_NONE || h->nlmsg_seq != n->dump_seq)
		return;
	if (++n->part < DUMP_PARTS) {
		dump_part(n);
		return;
	}
	dump_over(n);
	if (n->dump_torn) {
		/* Things changed under it: what it did not tell may be there. Where they change all the time
		 * no dump is ever whole, and what this one told is the best there is. */
		n->dump_wanted = true;
		n->torn++;
		nexthop_dump_end_torn(n->table);
	} else {
		n->torn = 0;
		n->served_said &= n->served_told; /* one that comes again is said again */
		nexthop_dump_end(n->table);
	}
	n->filled |= n->torn == 0 || n->torn >= TORN_AT_START;
	n->ticked = 0; /* new gateways are asked for now */
}

static void on_message(struct netlink *n, const struct nlmsghdr *h)
{
	bool of_dump = n->part != DUMP_NONE && h->nlmsg_seq == n->dump_seq && h->nlmsg_flags & NLM_F_MULTI;

	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		n->dump_torn = true;
	if (of_dump)
		n->dump_heard = n->now;
	switch (h->nlmsg_type) {
	case NLMSG_DONE:
		on_done(n, h);
		break;
	case NLMSG_ERROR:
		on_error(n, h);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		on_neighbour(n, h);
		break;
	case RTM_NEWADDR: /* the kernel speaks from it at once: it does not wait for the dump */
		on_address(n, h);
		n->dump_wanted |= !of_dump;
		break;
	case RTM_NEWROUTE:
		if (of_dump)
			on_route(n, h);
		n->dump_wanted |= !of_dump;
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		n->dump_wanted |= (unsigned)((const struct ifinfomsg *)mnl_nlmsg_get_payload(h))->ifi_index ==
				  n->ifindex;
		break;
	default: /* a removed route or address, a next hop object */
		n->dump_wanted = true;
		break;
	}
}

/* ---- the socket ---- */

static void gateways_tick(struct netlink *n)
{
	struct bgf_addr gateway;

	for (int i = 0; i < GATEWAYS_TICK; i++) {
		if (!nexthop_gateway_next(n->table, &n->gateway_cursor, &gateway)) {
			n->gateway_cursor = 0;
			return;
		}
		netlink_want(n, &gateway);
	}
}

static void receive(struct netlink *n)
{
	static _Alignas(struct nlmsghdr) char buffer[READ_BUFFER];

	for (int i = 0; i < READS_MAX; i++) {
		ssize_t got = mnl_socket_recvfrom(n->socket, buffer, sizeof(buffer));
		if (got < 0 && errno != ENOBUFS && errno != EINTR)
			return;
		if (got < 0) {
			n->dump_wanted = n->dump_torn = true; /* events were lost */
			continue;
		}
		int left = (int)got;
		for (const struct nlmsghdr *h = (const void *)buffer; mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left))
			on_message(n, h);
	}
}

void netlink_run(struct netlink *n, uint64_t now)
{
	n->now = now;
	receive(n);
	if (n->part != DUMP_NONE && now - n->dump_heard > DUMP_LIMIT_MS) {
		dp_log(DP_WARNING, "tap %s: the kernel did not finish telling its routes; asking again",
		       n->tap);
		dump_over(n);
		n->dump_wanted = true;
	}
	if (n->part == DUMP_NONE && n->dump_wanted && (!n->filled || now - n->dump_ended >= DUMP_GAP_MS))
		dump_begin(n);
	if (now - n->ticked >= TICK_MS) {
		n->ticked = now;
		gateways_tick(n);
	}
}

bool netlink_filled(const struct netlink *n)
{
	return n->filled;
}

int netlink_fd(const struct netlink *n)
{
	return mnl_socket_get_fd(n->socket);
}

/* Inside the tap's namespace. */
static int open_here(struct netlink *n)
{
	const unsigned groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE |
				RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE;
	int size = RECEIVE_BUFFER, objects = RTNLGRP_NEXTHOP;

	n->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (!n->socket || mnl_socket_bind(n->socket, groups, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	/* Kernels before 5.3 know no next hop objects, and an unprivileged one keeps the smaller buffer. */
	(void)mnl_socket_setsockopt(n->socket, NETLINK_ADD_MEMBERSHIP, &objects, sizeof(objects));
	(void)setsockopt(mnl_socket_get_fd(n->socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return if_indextoname(n->ifindex, n->tap) ? 0 : -errno;
}

int netlink_open(const char *netns, unsigned ifindex, struct nexthop_table *table,
		 const struct served_table *served, struct netlink **ret, char *error, size_t error_size)
{
	int back, r = -ENOMEM;
	struct netlink *n = calloc(1, sizeof(*n));

	if (n) {
		*n = (struct netlink){.table = table,
				      .served = served,
				      .ifindex = ifindex,
				      .part = DUMP_NONE,
				      .dump_wanted = true};
		r = netns_enter(netns, &back);
	}
	if (r == 0) {
		r = open_here(n);
		netns_leave(back);
	}
	if (r < 0) {
		snprintf(error, error_size, "netlink in namespace '%s': %s", netns, strerror(-r));
		netlink_close(n);
		return r;
	}
	*ret = n;
	return 0;
}

void netlink_close(struct netlink *n)
{
	if (n && n->socket)
		mnl_socket_close(n->socket);
	free(n);
}

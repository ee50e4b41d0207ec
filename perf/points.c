/* SPDX-License-Identifier: BSD-3-Clause */
#include "points.h"

enum { K100 = 100000, M1 = 1000000 };

#define PEERS  "ours raw nocrypto openssl librte_ipsec"
#define LIMITS "ours raw nocrypto"
#define LIMIT  "ours raw"

/* IPv4, UDP, IMIX, 100,000 UEs, bursts of 64, 1,024 buffers, but for what is said. */
#define BASE .length = 0, .ues = K100, .burst = 64, .buffers = 1024
/* One point in both directions. */
#define BOTH(point_name, ...)                                            \
	{.name = point_name "_in", .inbound = true, __VA_ARGS__},        \
	{                                                                \
		.name = point_name "_out", .inbound = false, __VA_ARGS__ \
	}

/* The base point in its earlier turns. */
#define BASE_TURN(turn)                                                                                  \
	{.name = "imix_100k_in_" turn, BASE, .inbound = true, .with = PEERS, .turn_of = "imix_100k_in"}, \
	{                                                                                                \
		.name = "imix_100k_out_" turn, BASE, .with = PEERS, .turn_of = "imix_100k_out"           \
	}

/* Points with the same UEs stand together: they are installed once. But the base point, which most targets
 * are about, has its turns where the run begins, in its middle and where it ends: a shared machine is another
 * one a minute later. */
static const struct point points[] = {
	BASE_TURN("begin"),
	BOTH("imix_100k_burst32", .ues = K100, .burst = 32, .buffers = 1024, .with = LIMIT, .aside = true),
	BOTH("imix_100k_burst128", .ues = K100, .burst = 128, .buffers = 1024, .with = LIMIT, .aside = true),
	BOTH("imix_100k_buffers256", .ues = K100, .burst = 64, .buffers = 256, .with = LIMIT, .aside = true),
	BOTH("imix_100k_buffers4096", .ues = K100, .burst = 64, .buffers = 4096, .with = LIMIT,
	     .aside = true),
	BOTH("imix_100k_tcp", BASE, .tcp = true, .with = LIMIT, .aside = true),
	BASE_TURN("middle"),
	BOTH("len128_100k", .length = 128, .ues = K100, .burst = 64, .buffers = 1024, .with = PEERS,
	     .aside = true),
	BOTH("len512_100k", .length = 512, .ues = K100, .burst = 64, .buffers = 1024, .with = PEERS,
	     .aside = true),
	BOTH("len1400_100k", .length = 1400, .ues = K100, .burst = 64, .buffers = 1024, .with = PEERS,
	     .aside = true),
	{.name = "self_check", BASE, .inbound = true, .with = "raw raw_again"},
	{.name = "slowed_check", BASE, .inbound = true, .with = "slowed ours"},
	BOTH("imix_100k_ipv6", BASE, .ipv6 = true, .with = LIMIT, .aside = true),
	BOTH("imix_1k", .ues = 1000, .burst = 64, .buffers = 1024, .with = LIMITS, .aside = true),
	BOTH("imix_1", .ues = 1, .burst = 64, .buffers = 1024, .with = LIMITS, .aside = true),
	BOTH("imix_1m", .ues = M1, .burst = 64, .buffers = 1024, .with = "ours raw nocrypto ours_other",
	     .other_ues = 1),
	BOTH("imix_100k", BASE, .with = PEERS),
};

const struct point *points_get(unsigned n)
{
	return n < sizeof(points) / sizeof(points[0]) ? &points[n] : NULL;
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which attribute belongs where, once: message × direction × attribute, and group × attribute. Both ends
 * check by it. What is not listed for a message counts as unknown there.
 *
 * MUST: once. MAY: once or not at all. MANY: any number of times (groups only). An answer's MUSTs are meant
 * for CAUSE 0; a refusal has only CAUSE, BAD_ATTRIBUTE, TEXT and RETRY_AFTER.
 */
#ifndef ZB_USAGE_H
#define ZB_USAGE_H

#include "zb/zb_table.h"

enum zb_use { ZB_USE_NONE, ZB_USE_MUST, ZB_USE_MAY, ZB_USE_MANY };
enum zb_direction { ZB_DIR_REQUEST, ZB_DIR_ANSWER, ZB_DIR_EVENT, ZB_DIR_COUNT };

/* Every answer has these besides what is listed below. X(attribute, use) */
#define ZB_ANSWER_USAGE_LIST(X) \
	X(CAUSE, MUST)          \
	X(BAD_ATTRIBUTE, MAY)   \
	X(TEXT, MAY)            \
	X(RETRY_AFTER, MAY)

/* X(message, direction, attribute, use) */
#define ZB_USAGE_LIST(X)                            \
	X(HELLO, REQUEST, NAME, MUST)               \
	X(HELLO, REQUEST, INSTANCE_ID, MUST)        \
	X(HELLO, REQUEST, ROLE, MAY)                \
	X(HELLO, REQUEST, RESTART, MAY)             \
	X(HELLO, REQUEST, FEATURES, MAY)            \
	X(HELLO, ANSWER, NAME, MUST)                \
	X(HELLO, ANSWER, BOOT_ID, MUST)             \
	X(HELLO, ANSWER, STORE_EPOCH, MUST)         \
	X(HELLO, ANSWER, CAPACITY, MUST)            \
	X(HELLO, ANSWER, SET_COUNT, MUST)           \
	X(HELLO, ANSWER, DATAPLANE_UP, MUST)        \
	X(HELLO, ANSWER, ENDED_AWAY, MAY)           \
	X(HELLO, ANSWER, FEATURES, MAY)             \
	X(HELLO, ANSWER, OVERLOADED, MAY)           \
	X(BYE, REQUEST, CAUSE, MAY)                 \
	X(BYE, REQUEST, TEXT, MAY)                  \
	X(SUBSCRIBE, REQUEST, EVENTS, MUST)         \
	X(SUBSCRIBE, ANSWER, EVENTS, MUST)          \
	X(INSTALL, REQUEST, REFERENCE, MUST)        \
	X(INSTALL, REQUEST, SUBSCRIBER, MUST)       \
	X(INSTALL, REQUEST, REGISTRATION_ID, MAY)   \
	X(INSTALL, REQUEST, UE_ADDRESS, MUST)       \
	X(INSTALL, REQUEST, SERVED_ADDRESS, MUST)   \
	X(INSTALL, REQUEST, PORT_UC, MUST)          \
	X(INSTALL, REQUEST, PORT_US, MUST)          \
	X(INSTALL, REQUEST, PORT_PC, MUST)          \
	X(INSTALL, REQUEST, PORT_PS, MUST)          \
	X(INSTALL, REQUEST, SPI_UC, MUST)           \
	X(INSTALL, REQUEST, SPI_US, MUST)           \
	X(INSTALL, REQUEST, ALG, MUST)              \
	X(INSTALL, REQUEST, EALG, MAY)              \
	X(INSTALL, REQUEST, MOD, MAY)               \
	X(INSTALL, REQUEST, IK, MUST)               \
	X(INSTALL, REQUEST, CK, MAY)                \
	X(INSTALL, REQUEST, AWAIT_AUTH, MAY)        \
	X(INSTALL, REQUEST, FLAGS, MAY)             \
	X(INSTALL, REQUEST, VIA_SET, MAY)           \
	X(INSTALL, ANSWER, SET, MUST)               \
	X(CONFIRM, REQUEST, REFERENCE, MUST)        \
	X(CONFIRM, REQUEST, SET_ID, MUST)           \
	X(CONFIRM, REQUEST, EXPIRES, MUST)          \
	X(CONFIRM, ANSWER, SET, MUST)               \
	X(RELEASE, REQUEST, REFERENCE, MUST)        \
	X(RELEASE, REQUEST, SET_ID, MAY)            \
	X(RELEASE, REQUEST, ALL_SETS, MAY)          \
	X(RELEASE, REQUEST, DRAIN, MAY)             \
	X(RELEASE, ANSWER, SET_COUNT, MUST)         \
	X(QUERY, REQUEST, SET_ID, MAY)              \
	X(QUERY, REQUEST, SUBSCRIBER, MAY)          \
	X(QUERY, REQUEST, REGISTRATION_ID, MAY)     \
	X(QUERY, REQUEST, UE_ADDRESS, MAY)          \
	X(QUERY, REQUEST, PORT_UE, MAY)             \
	X(QUERY, REQUEST, PORT_LOCAL, MAY)          \
	X(QUERY, REQUEST, CURSOR, MAY)              \
	X(QUERY, REQUEST, LIMIT, MAY)               \
	X(QUERY, ANSWER, SET, MANY)                 \
	X(QUERY, ANSWER, CURSOR, MAY)               \
	X(AUDIT, REQUEST, BUCKET, MAY)              \
	X(AUDIT, ANSWER, SET_COUNT, MUST)           \
	X(AUDIT, ANSWER, DIGESTS, MAY)              \
	X(AUDIT, ANSWER, ROWS, MAY)                 \
	X(COUNTERS, REQUEST, CURSOR, MAY)           \
	X(COUNTERS, REQUEST, LIMIT, MAY)            \
	X(COUNTERS, ANSWER, STAT, MANY)             \
	X(COUNTERS, ANSWER, CURSOR, MAY)            \
	X(PORTS, ANSWER, PORT, MANY)                \
	X(PEERS, ANSWER, PEER, MANY)                \
	X(EXPIRED, EVENT, SET, MUST)                \
	X(FIRST_USED, EVENT, SET, MUST)             \
	X(REMOVED, EVENT, SET, MUST)                \
	X(REMOVED, EVENT, WHY, MUST)                \
	X(EPOCH_LOST, EVENT, STORE_EPOCH, MUST)     \
	X(SUPERSEDED, EVENT, SET, MUST)             \
	X(SEQUENCE_LOW, EVENT, SET, MUST)           \
	X(SEQUENCE_LOW, EVENT, SPI, MUST)           \
	X(SEQUENCE_LOW, EVENT, SEQUENCE, MUST)      \
	X(ICV_FAILURES, EVENT, SET, MUST)           \
	X(ICV_FAILURES, EVENT, COUNT, MUST)         \
	X(REPLAYS, EVENT, SET, MUST)                \
	X(REPLAYS, EVENT, COUNT, MUST)              \
	X(UNKNOWN_SPI, EVENT, NAME, MUST)           \
	X(UNKNOWN_SPI, EVENT, UE_ADDRESS, MUST)     \
	X(UNKNOWN_SPI, EVENT, SERVED_ADDRESS, MUST) \
	X(UNKNOWN_SPI, EVENT, SPI, MUST)            \
	X(UNKNOWN_SPI, EVENT, COUNT, MUST)          \
	X(OVERLOAD, EVENT, OVERLOADED, MUST)

/* X(group, attribute, use) */
#define ZB_GROUP_USAGE_LIST(X)       \
	X(SET, SET_ID, MUST)         \
	X(SET, REFERENCE, MUST)      \
	X(SET, NAME, MUST)           \
	X(SET, SUBSCRIBER, MUST)     \
	X(SET, REGISTRATION_ID, MAY) \
	X(SET, UE_ADDRESS, MUST)     \
	X(SET, SERVED_ADDRESS, MUST) \
	X(SET, PORT_UC, MUST)        \
	X(SET, PORT_US, MUST)        \
	X(SET, PORT_PC, MUST)        \
	X(SET, PORT_PS, MUST)        \
	X(SET, SPI_UC, MUST)         \
	X(SET, SPI_US, MUST)         \
	X(SET, SPI_PC, MUST)         \
	X(SET, SPI_PS, MUST)         \
	X(SET, ALG, MUST)            \
	X(SET, EALG, MUST)           \
	X(SET, MOD, MUST)            \
	X(SET, FLAGS, MUST)          \
	X(SET, STATE, MUST)          \
	X(SET, REMAINING, MUST)      \
	X(SET, FIRST_USE, MUST)      \
	X(SET, FINGERPRINT, MUST)    \
	X(SET, SA, MANY)             \
	X(SET, DROP, MANY)           \
	X(SA, PACKETS, MUST)         \
	X(SA, OCTETS_COUNT, MUST)    \
	X(SA, SEQUENCE, MUST)        \
	X(DROP, DROP_REASON, MUST)   \
	X(DROP, STAT_NAME, MUST)     \
	X(DROP, STAT_VALUE, MUST)    \
	X(STAT, PORT_NUMBER, MAY)    \
	X(STAT, WORKER, MAY)         \
	X(STAT, STAT_NAME, MUST)     \
	X(STAT, STAT_VALUE, MUST)    \
	X(PORT, PORT_NUMBER, MUST)   \
	X(PORT, ACCESS_SIDE, MUST)   \
	X(PORT, UP, MUST)            \
	X(PORT, MTU, MUST)           \
	X(PORT, NEIGHBOURS, MUST)    \
	X(PORT, ROUTES, MUST)        \
	X(PORT, MAC, MUST)           \
	X(PORT, DEVICE, MUST)        \
	X(PORT, TAP, MUST)           \
	X(PORT, STAT, MANY)          \
	X(PEER, NAME, MUST)          \
	X(PEER, INSTANCE_ID, MUST)   \
	X(PEER, ROLE, MUST)          \
	X(PEER, CONNECTIONS, MUST)   \
	X(PEER, SET_COUNT, MUST)

#endif

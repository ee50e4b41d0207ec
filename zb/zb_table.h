/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The one table of Zb: every message, attribute and cause with its number, type and bounds. The encoder, the
 * decoder, the checks, the texts and the tests come from it; PROTOCOL.md is held against it by a test.
 */
#ifndef ZB_TABLE_H
#define ZB_TABLE_H

#include <stdint.h>

enum {
	ZB_VERSION = 1,
	ZB_HEADER_LEN = 12,	/* octets: version 1, type 1, flags 2, length 4, transaction id 4 */
	ZB_FRAME_MAX = 65536,	/* octets of a frame, header included */
	ZB_ATTR_HEADER_LEN = 4, /* octets: code 2 (top bit: mandatory), length of the value 2; no padding */
	ZB_MANDATORY = 0x8000,
};

/* Frame flags. */
enum { ZB_FLAG_ANSWER = 1 << 0, ZB_FLAG_EVENT = 1 << 1 };

enum { ZB_EVENT_FIRST = 64 };

/* Requests (and their answers) are below ZB_EVENT_FIRST, events from there on. X(NAME, number, text) */
#define ZB_MESSAGE_LIST(X)                                                    \
	X(HELLO, 1, "opens an association")                                   \
	X(HEARTBEAT, 2, "either side asks whether the other is there")        \
	X(BYE, 3, "closes an association in order")                           \
	X(SUBSCRIBE, 4, "which events are wanted")                            \
	X(INSTALL, 16, "a temporary SA set")                                  \
	X(CONFIRM, 17, "the 200 OK: established, or extended")                \
	X(RELEASE, 18, "ends one set, or all of the peer's")                  \
	X(QUERY, 19, "sets by id, subscriber, or UE address and ports")       \
	X(AUDIT, 20, "what a peer and the gateway hold, compared by digests") \
	X(COUNTERS, 32, "what the data plane counted, by port and worker")    \
	X(PORTS, 33, "the data plane's ports")                                \
	X(PEERS, 34, "who is associated")                                     \
	X(EXPIRED, 64, "event: a set's lifetime ended")                       \
	X(FIRST_USED, 65, "event: first good protected packet after CONFIRM") \
	X(REMOVED, 66, "event: a set ended before its time, and why")         \
	X(EPOCH_LOST, 67, "event: the store is a new one, all sets are gone") \
	X(GAP, 68, "event: events were lost")                                 \
	X(SUPERSEDED, 69, "event: a newer set is used, this one ends soon")   \
	X(SEQUENCE_LOW, 70, "event: an SA's sequence numbers run out")        \
	X(ICV_FAILURES, 71, "event: packets failed their integrity check")    \
	X(REPLAYS, 72, "event: packets were replayed")                        \
	X(UNKNOWN_SPI, 73, "event: a UE that has sets sends an unknown SPI")  \
	X(OVERLOAD, 74, "event: more is asked of the gateway than it can do, or no more")

/* Attribute types: U8, U16, U32, U64 (big-endian, exact length), STR (UTF-8 without control characters, min
 * to max octets), OCTETS (min to max), ADDR (4 or 16 octets), GROUP (attributes; min, max: octets). For
 * numbers, min and max bound the value. SECRET values are never printed and are wiped. X(NAME, number, type,
 * min, max, secrecy, text) */
#define ZB_ATTR_LIST(X)                                                                                \
	X(CAUSE, 1, U16, 0, 65535, OPEN, "outcome of a request: 0 done, or a cause")                   \
	X(BAD_ATTRIBUTE, 2, U16, 1, 32767, OPEN, "the attribute that the cause is about")              \
	X(TEXT, 3, STR, 0, 255, OPEN, "a sentence for people")                                         \
	X(NAME, 4, STR, 1, 31, OPEN, "name of the peer or of the gateway")                             \
	X(INSTANCE_ID, 5, U64, 1, UINT64_MAX, OPEN, "new at each start of the peer")                   \
	X(ROLE, 6, U8, 0, 2, OPEN, "0 peer, 1 observer, 2 operator")                                   \
	X(BOOT_ID, 7, OCTETS, 16, 16, OPEN, "of the gateway's host")                                   \
	X(STORE_EPOCH, 8, U64, 0, UINT64_MAX, OPEN, "another one: all sets are lost")                  \
	X(CAPACITY, 9, U32, 0, UINT32_MAX, OPEN, "sets that fit")                                      \
	X(SET_COUNT, 10, U32, 0, UINT32_MAX, OPEN, "sets: that exist, or that a request touched")      \
	X(DATAPLANE_UP, 11, U8, 0, 1, OPEN, "whether the data plane answers")                          \
	X(EVENTS, 12, U32, 0, UINT32_MAX, OPEN, "bit mask of event kinds: bit (message number - 63)")  \
	X(FEATURES, 13, U32, 0, UINT32_MAX, OPEN, "none is defined in version 1")                      \
	X(RESTART, 14, U8, 0, 1, OPEN, "HELLO of a new instance: 0 keep its sets, 1 release them all") \
	X(REFERENCE, 16, U64, 1, UINT64_MAX, OPEN, "chosen by the client; makes a request repeatable") \
	X(SET_ID, 17, U64, 1, UINT64_MAX, OPEN, "of a set")                                            \
	X(SUBSCRIBER, 18, STR, 1, 127, OPEN, "IMPI")                                                   \
	X(REGISTRATION_ID, 19, STR, 0, 63, OPEN, "tells apart what one IMPI runs side by side")        \
	X(UE_ADDRESS, 20, ADDR, 4, 16, OPEN, "the UE's address")                                       \
	X(SERVED_ADDRESS, 21, ADDR, 4, 16, OPEN, "the P-CSCF's Gm address")                            \
	X(PORT_UC, 22, U16, 1, 65535, OPEN, "the UE's protected client port")                          \
	X(PORT_US, 23, U16, 1, 65535, OPEN, "the UE's protected server port")                          \
	X(PORT_PC, 24, U16, 1, 65535, OPEN, "the P-CSCF's protected client port")                      \
	X(PORT_PS, 25, U16, 1, 65535, OPEN, "the P-CSCF's protected server port")                      \
	X(SPI_UC, 26, U32, 256, UINT32_MAX, OPEN, "chosen by the UE: spi-c of Security-Client")        \
	X(SPI_US, 27, U32, 256, UINT32_MAX, OPEN, "chosen by the UE: spi-s of Security-Client")        \
	X(SPI_PC, 28, U32, 256, UINT32_MAX, OPEN, "chosen by the gateway: spi-c of Security-Server")   \
	X(SPI_PS, 29, U32, 256, UINT32_MAX, OPEN, "chosen by the gateway: spi-s of Security-Server")   \
	X(ALG, 30, U8, 0, 255, OPEN, "1 hmac-sha-1-96")                                                \
	X(EALG, 31, U8, 0, 255, OPEN, "0 null")                                                        \
	X(MOD, 32, U8, 0, 255, OPEN, "0 trans")                                                        \
	X(IK, 33, OCTETS, 16, 16, SECRET, "integrity key")                                             \
	X(CK, 34, OCTETS, 16, 16, SECRET, "cipher key")                                                \
	X(AWAIT_AUTH, 35, U16, 1, 3600, OPEN, "reg-await-auth, s")                                     \
	X(FLAGS, 36, U8, 0, 7, OPEN, "1 began unprotected, 2 emergency, 4 replace at CONFIRM")         \
	X(VIA_SET, 37, U64, 1, UINT64_MAX, OPEN, "the set on which this challenge travels")            \
	X(EXPIRES, 38, U32, 0, 16777215, OPEN, "Expires of the 200 OK, s")                             \
	X(DRAIN, 39, U32, 0, 3600, OPEN, "how long a released set still works, s")                     \
	X(STATE, 40, U8, 1, 4, OPEN, "1 temporary, 2 established, 3 superseded, 4 draining")           \
	X(REMAINING, 41, U64, 0, UINT64_MAX, OPEN, "left of a set's life, ms")                         \
	X(FIRST_USE, 42, U8, 0, 1, OPEN, "1: used since CONFIRM")                                      \
	X(FINGERPRINT, 43, OCTETS, 8, 8, OPEN, "of the keys")                                          \
	X(WHY, 44, U8, 1, 255, OPEN, "why a set was removed")                                          \
	X(PORT_UE, 45, U16, 1, 65535, OPEN, "QUERY: port_uc or port_us")                               \
	X(PORT_LOCAL, 46, U16, 1, 65535, OPEN, "QUERY: port_ps or port_pc")                            \
	X(CURSOR, 47, U64, 0, UINT64_MAX, OPEN, "where the next answer goes on; absent: that was all") \
	X(LIMIT, 48, U16, 1, 1024, OPEN, "rows in one answer")                                         \
	X(SET, 49, GROUP, 0, 2048, OPEN, "one set")                                                    \
	X(SA, 50, GROUP, 0, 256, OPEN, "one SA of a set, in the order ps, pc, uc, us")                 \
	X(PACKETS, 51, U64, 0, UINT64_MAX, OPEN, "good packets")                                       \
	X(OCTETS_COUNT, 52, U64, 0, UINT64_MAX, OPEN, "their octets")                                  \
	X(SEQUENCE, 53, U64, 0, UINT64_MAX, OPEN, "top of the window, or the last number sent")        \
	X(DROP, 54, GROUP, 0, 64, OPEN, "a drop reason and its count")                                 \
	X(STAT_NAME, 55, STR, 1, 31, OPEN, "name of a counter")                                        \
	X(STAT_VALUE, 56, U64, 0, UINT64_MAX, OPEN, "its value")                                       \
	X(STAT, 57, GROUP, 0, 128, OPEN, "one counter")                                                \
	X(PORT_NUMBER, 58, U16, 0, 65535, OPEN, "a port of the data plane")                            \
	X(WORKER, 59, U16, 0, 65535, OPEN, "a worker of the data plane")                               \
	X(PORT, 60, GROUP, 0, 512, OPEN, "one port of the data plane")                                 \
	X(ACCESS_SIDE, 61, U8, 0, 1, OPEN, "1 access, 0 core")                                         \
	X(UP, 62, U8, 0, 1, OPEN, "link")                                                              \
	X(MTU, 63, U16, 0, 65535, OPEN, "octets of IP")                                                \
	X(NEIGHBOURS, 64, U16, 0, 65535, OPEN, "next hops that are resolved")                          \
	X(ROUTES, 65, U16, 0, 65535, OPEN, "routes")                                                   \
	X(MAC, 66, OCTETS, 6, 6, OPEN, "MAC address")                                                  \
	X(DEVICE, 67, STR, 0, 63, OPEN, "DPDK device")                                                 \
	X(TAP, 68, STR, 0, 15, OPEN, "the kernel tap beside the port")                                 \
	X(PEER, 69, GROUP, 0, 256, OPEN, "one peer")                                                   \
	X(CONNECTIONS, 70, U32, 0, UINT32_MAX, OPEN, "of a peer")                                      \
	X(ALL_SETS, 71, U8, 1, 1, OPEN, "RELEASE: every set of the peer")                              \
	X(DROP_REASON, 72, U16, 0, 65535, OPEN, "number of a drop reason")                             \
	X(SPI, 73, U32, 0, UINT32_MAX, OPEN, "the SPI that an event is about")                         \
	X(COUNT, 74, U64, 0, UINT64_MAX, OPEN, "packets that an event is about")                       \
	X(OVERLOADED, 75, U8, 0, 1, OPEN, "whether the gateway is overloaded")                         \
	X(RETRY_AFTER, 76, U32, 0, UINT32_MAX, OPEN, "when the request may come again, ms")            \
	X(BUCKET, 77, U16, 0, 4095, OPEN, "AUDIT: of sets, by their ids")                              \
	X(DIGESTS, 78, OCTETS, 32768, 32768, OPEN, "AUDIT: of all buckets, 8 octets each")             \
	X(ROWS, 79, OCTETS, 0, 16384, OPEN, "AUDIT: set ids with their digests, 16 octets each")       \
	X(ENDED_AWAY, 80, U32, 0, UINT32_MAX, OPEN, "sets that ended while their peer was away")

/* X(NAME, number, text) */
#define ZB_CAUSE_LIST(X)                                                              \
	X(DONE, 0, "done")                                                            \
	X(BAD_VERSION, 1, "this version of Zb is not spoken here")                    \
	X(MALFORMED, 2, "the frame cannot be read; the association is closed")        \
	X(UNKNOWN_MESSAGE, 3, "no such message")                                      \
	X(UNKNOWN_ATTRIBUTE, 4, "a mandatory attribute is not known")                 \
	X(MISSING_ATTRIBUTE, 5, "an attribute is missing")                            \
	X(BAD_VALUE, 6, "an attribute's value is not allowed")                        \
	X(DUPLICATE_ATTRIBUTE, 7, "an attribute came twice")                          \
	X(NO_HELLO, 8, "HELLO comes first")                                           \
	X(NOT_ALLOWED, 9, "this peer or role may not do that")                        \
	X(INSTANCE_CLASH, 10, "another instance of this peer is alive")               \
	X(REFERENCE_CLASH, 11, "this reference was used with another content")        \
	X(BAD_PORT, 16, "a port is 0, equal to another, or unprotected")              \
	X(PORT_IN_USE, 17, "another set of this UE address has these ports")          \
	X(BAD_SPI, 18, "an SPI is reserved or equal to another")                      \
	X(SPI_IN_USE, 19, "another set of this UE address has this SPI")              \
	X(BAD_ADDRESS, 20, "an address of the wrong family, or that no UE can have")  \
	X(NOT_SERVED, 21, "not a served address")                                     \
	X(BAD_ALGORITHM, 22, "the algorithm or mode is not supported")                \
	X(TOO_MANY_SETS, 23, "the subscriber has three sets already (TS 33.203 7.1)") \
	X(TABLE_FULL, 24, "no room for another set")                                  \
	X(UNKNOWN_SET, 25, "no such set of this peer")                                \
	X(BAD_STATE, 26, "not in this state of the set")                              \
	X(DATAPLANE_DOWN, 27, "the data plane does not answer")                       \
	X(INTERNAL, 28, "the gateway failed; its log says why")                       \
	X(TOO_MANY_CONNECTIONS, 29, "the gateway takes no more connections")          \
	X(OVERLOAD, 30, "the gateway is overloaded; RETRY_AFTER says when to come again")

#define ZB_MESSAGE_ENUM(name, number, text)			  ZB_MSG_##name = (number),
#define ZB_ATTR_ENUM(name, number, type, min, max, secrecy, text) ZB_ATTR_##name = (number),
#define ZB_CAUSE_ENUM(name, number, text)			  ZB_CAUSE_##name = (number),
enum zb_message { ZB_MESSAGE_LIST(ZB_MESSAGE_ENUM) };
enum zb_attribute { ZB_ATTR_LIST(ZB_ATTR_ENUM) };
enum zb_cause { ZB_CAUSE_LIST(ZB_CAUSE_ENUM) };

#endif

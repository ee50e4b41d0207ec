/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Every reason for which the data plane drops a packet, once: the name that counters, queries and tests use,
 * and the sentence that an operator reads. A reason that concerns an SA is also counted on that SA's set.
 */
#ifndef BGF_DROP_H
#define BGF_DROP_H

#include <stdint.h>

enum bgf_drop_scope { BGF_DROP_PORT, BGF_DROP_SA };

/* X(NAME, name, scope, text) */
#define BGF_DROP_LIST(X)                                                                                     \
	/* any packet */                                                                                     \
	X(TRUNCATED, truncated, PORT, "an IP length or header reaches beyond the frame")                     \
	X(IP_HEADER, ip_header, PORT, "IP version, header length or header checksum is wrong")               \
	X(IP_OPTIONS, ip_options, PORT, "IPv4 options, which SIP signalling never needs")                    \
	X(IP_EXTENSION, ip_extension, PORT, "an IPv6 extension header other than fragmentation")             \
	X(FRAGMENT, fragment, PORT, "an IP fragment; reassembly does not exist yet")                         \
	X(ETHERTYPE, ethertype, PORT, "a frame that is neither IP nor ARP")                                  \
	X(NOT_OURS, not_ours, PORT, "sent to another station's MAC address")                                 \
	X(SOURCE_INVALID, source_invalid, PORT, "a source address that no host on that side has")            \
	X(TTL_EXPIRED, ttl_expired, PORT, "TTL or hop limit would become 0 here")                            \
	X(L4_CHECKSUM, l4_checksum, PORT, "UDP or TCP checksum is wrong (verify_l4)")                        \
	X(L4_HEADER, l4_header, PORT, "UDP or TCP header is cut short or its length is wrong")               \
	/* from the access side */                                                                           \
	X(SOURCE_SERVED, source_served, PORT, "from the access side with a served address as source")        \
	X(NOT_SERVED, not_served, PORT, "to an address that is neither served nor the gateway's own")        \
	X(SPI_RESERVED, spi_reserved, PORT, "ESP with an SPI from 0 to 255 (RFC 4303 2.1)")                  \
	X(UNKNOWN_SPI, unknown_spi, PORT, "ESP with an SPI of no live SA")                                   \
	X(SA_ADDRESS, sa_address, SA, "ESP whose addresses are not the SA's")                                \
	X(ESP_LENGTH, esp_length, SA, "ESP too short, or its length not a multiple of 4")                    \
	X(SEQ_ZERO, seq_zero, SA, "ESP sequence number 0")                                                   \
	X(REPLAY, replay, SA, "ESP sequence number seen before, or behind the window")                       \
	X(ICV, icv, SA, "ESP integrity check failed")                                                        \
	X(PADDING, padding, SA, "ESP pad length or padding bytes are wrong")                                 \
	X(DUMMY, dummy, SA, "ESP dummy packet, next header 59 (TS 33.203 6.2)")                              \
	X(NEXT_HEADER, next_header, SA, "ESP that carries neither UDP nor TCP")                              \
	X(SELECTOR, selector, SA, "ports that are not the SA's (RFC 4301 5.2)")                              \
	X(TEMPORARY, temporary, SA, "a SIP request other than REGISTER on a temporary set (rule 16)")        \
	X(CLEAR_PORT, clear_port, PORT, "in the clear to a port that is not the unprotected SIP port")       \
	X(CLEAR_PROTOCOL, clear_protocol, PORT, "to a served address, neither ESP, UDP nor TCP")             \
	X(CLEAR_RATE, clear_rate, PORT, "more clear packets from one source than its rate allows")           \
	X(CLEAR_AUTH, clear_auth, PORT, "an authentication response in the clear (rule 29)")                 \
	X(ICMP_ESP, icmp_esp, PORT, "an ICMP error that quotes ESP")                                         \
	/* from the core side */                                                                             \
	X(SOURCE_NOT_SERVED, source_not_served, PORT, "from the core side with a source that is not served") \
	X(NO_SET, no_set, PORT, "from a protected port of the P-CSCF, and no set with these ports exists")   \
	X(SEQ_EXHAUSTED, seq_exhausted, SA, "the SA's sequence numbers are used up")                         \
	X(TOO_BIG, too_big, PORT, "does not fit the next link, on the access side with its ESP")             \
	X(HEADROOM, headroom, PORT, "no room in the packet buffer for the ESP header or trailer")            \
	/* on the way out */                                                                                 \
	X(NO_ROUTE, no_route, PORT, "no route to the destination on the port's side")                        \
	X(NO_NEIGHBOUR, no_neighbour, PORT, "the next hop's MAC address could not be found out")             \
	X(TX_FULL, tx_full, PORT, "the port's transmit queue was full")                                      \
	/* the way to the kernel and between workers */                                                      \
	X(EXCEPTION_FULL, exception_full, PORT, "the queue to the kernel was full")                          \
	X(EXCEPTION_RATE, exception_rate, PORT, "more packets for the kernel than the rate allows")          \
	X(TAP_SOURCE, tap_source, PORT, "the kernel sent from an address that is not the port's own")        \
	X(TAP_WRITE, tap_write, PORT, "the kernel's tap did not take the packet")                            \
	X(HANDOVER_FULL, handover_full, PORT, "the queue to the worker that owns the set was full")          \
	X(CRYPTO, crypto, SA, "the crypto library did not finish the job")                                   \
	X(NO_MBUF, no_mbuf, PORT, "no packet buffer was free")

#define BGF_DROP_ENUM(NAME, name, scope, text) BGF_DROP_##NAME,
enum bgf_drop { BGF_DROP_LIST(BGF_DROP_ENUM) BGF_DROP_COUNT };

/* A reason's name ("unknown_spi"), sentence and scope; NULL, NULL and PORT for a number that is none.
 * Static storage; any thread. */
const char *bgf_drop_name(unsigned reason);
const char *bgf_drop_text(unsigned reason);
enum bgf_drop_scope bgf_drop_scope(unsigned reason);

#endif

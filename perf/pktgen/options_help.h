/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What --help prints.
 */
#ifndef PKTGEN_OPTIONS_HELP_H
#define PKTGEN_OPTIONS_HELP_H

#define OPTIONS_HELP                                                                                        \
	"Usage: bgf-pktgen run     --access DEVICE --core DEVICE [OPTION]...\n"                             \
	"       bgf-pktgen rfc2544 --access DEVICE --core DEVICE [OPTION]...\n"                             \
	"\n"                                                                                                \
	"Plays phones and P-CSCF around a running gateway: installs the phones' SA sets over Zb, sends\n"   \
	"ESP from the phones and plain packets from the core, checks all that comes back, and releases\n"   \
	"the sets. perf/pktgen/README.md has whole examples; perf/pktgen/beside starts a gateway too.\n"    \
	"\n"                                                                                                \
	"  run      one load. Exit status 0 only if every packet is accounted for: what the gateway\n"      \
	"           accepted is what came back good and what it dropped by name, and exactly the bad\n"     \
	"           packets were dropped, under the right names.\n"                                         \
	"  rfc2544  for each size: throughput without loss, latency at 10, 50, 80 and 100 % of it,\n"       \
	"           loss-rate curve, back-to-back bursts.\n"                                                \
	"\n"                                                                                                \
	"The generator's ports\n"                                                                           \
	"  --access DEVICE      DPDK port towards the gateway's access side: a PCI address, or for memif\n" \
	"                       net_memif0,role=client,id=0,socket=NAME,rsize=14\n"                         \
	"  --core DEVICE        the same towards its core side\n"                                           \
	"  --lcore N            processor of the one thread that sends and receives (0)\n"                  \
	"  --memory MB          for packet buffers (320)\n"                                                 \
	"  --no-huge            without huge pages\n"                                                       \
	"  --file-prefix TEXT   DPDK's, another one for each program on a host (bgf-pktgen)\n"              \
	"  --mtu N              octets of IP on both links (1500)\n"                                        \
	"  --ring N             packets that wait between generator and gateway at most (16384)\n"          \
	"  --access-hop ADDR    answer ARP or ND for this router on the access side, besides the phones;\n" \
	"  --core-hop ADDR      the same on the core side. Both may be repeated\n"                          \
	"  --access-mac MAC     where frames go on the access side (the gateway's port, as Zb tells it);\n" \
	"  --core-mac MAC       the same on the core side\n"                                                \
	"\n"                                                                                                \
	"The phones\n"                                                                                      \
	"  --phones N           1 to 1,000,000 (1000)\n"                                                    \
	"  --ipv6 SHARE         phones with IPv6 (0%)\n"                                                    \
	"  --ue ADDR            the first phone's address; the others' follow. Once for each family\n"      \
	"                       (10.128.0.1, fd00:45:1::1)\n"                                               \
	"  --served ADDR        the P-CSCF's address, once for each family (10.50.0.1, fd00:50::1)\n"       \
	"  --port-ps N, --port-pc N   the P-CSCF's protected ports (6062, 6060)\n"                          \
	"  --zb PATH            socket of bgf-control (/run/bgf/zb.sock)\n"                                 \
	"  --peer NAME          this P-CSCF's name (pktgen)\n"                                              \
	"  --connections N      connections over which phones are installed (1)\n"                          \
	"\n"                                                                                                \
	"The load\n"                                                                                        \
	"  --direction WHICH    up (phones to core), down (core to phones) or both (both)\n"                \
	"  --size SIZES         lengths of the plain IP packets: 512, or with weights 120:20,480:80, or\n"  \
	"                       imix = 120:20,480:30,900:35,1360:15. ESP adds 22 to 25 octets. rfc2544\n"   \
	"                       takes several --size (128, 512, 1400, imix)\n"                              \
	"  --tcp SHARE          packets that are TCP, not UDP (0%)\n"                                       \
	"  --bad SHARE          bad packets from the phones, in equal parts of:\n"                          \
	"  --replayed SHARE     with the last sequence number once more (must be dropped as 'replay')\n"    \
	"  --forged SHARE       with a wrong ICV ('icv')\n"                                                 \
	"  --unknown-spi SHARE  with an SPI of no SA ('unknown_spi')\n"                                     \
	"  --clear SHARE        in the clear to a protected port ('clear_port')\n"                          \
	"  --rate N             packets a second in all, open loop; k and M may follow (closed loop)\n"     \
	"  --window N           closed loop: packets of a direction under way at once (4096)\n"             \
	"  --count N            packets of each direction; without, --seconds counts\n"                     \
	"  --seconds S          how long to send (10); rfc2544: a trial (1)\n"                              \
	"  --icv-every N        check the ICV of each nth packet from the gateway (1: of all)\n"            \
	"\n"                                                                                                \
	"Results\n"                                                                                         \
	"  --json FILE          all figures; perf/pktgen/README.md names them\n"                            \
	"  --repeats N          how often a disturbed trial is repeated at most (10)\n"                     \
	"  --quick              rfc2544: fewer and coarser steps\n"                                         \
	"  --help, --version\n"                                                                             \
	"\n"                                                                                                \
	"Exit status: 0 all is well; 1 packets were lost, wrong or not accounted for; 2 wrong options;\n"   \
	"3 the machine or the gateway did not let it run.\n"

#endif

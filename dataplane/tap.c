/* SPDX-License-Identifier: BSD-3-Clause */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "netns.h"

enum { RUNNING_WAIT_MS = 1000 };

/* The tap is a host of its network, not a router in it: what the packet path forwards never comes here. The
 * kernel's default would answer ARP on one tap for the other's addresses, and ask for a neighbour again after
 * a second only: a request that met a dying process would cost that much of an outage. It still asks for the
 * three seconds of RFC 4861 (10: three solicitations, a second apart) before it gives up: a MAC address that
 * was good is used meanwhile, and outlives a neighbour's short silence. */
static const struct {
	const char *family, *tree, *key, *value;
} sysctls[] = {
	{"ipv4", "conf", "forwarding", "0"},	     {"ipv6", "conf", "forwarding", "0"},
	{"ipv4", "conf", "accept_redirects", "0"},   {"ipv4", "conf", "send_redirects", "0"},
	{"ipv6", "conf", "accept_redirects", "0"},   {"ipv6", "conf", "accept_ra", "0"},
	{"ipv4", "conf", "arp_ignore", "1"},	     {"ipv4", "conf", "arp_announce", "2"},
	{"ipv4", "neigh", "retrans_time_ms", "200"}, {"ipv6", "neigh", "retrans_time_ms", "200"},
	{"ipv4", "neigh", "ucast_solicit", "15"},    {"ipv6", "neigh", "ucast_solicit", "15"},
	{"ipv4", "neigh", "mcast_solicit", "15"},    {"ipv6", "neigh", "mcast_solicit", "15"},
};

static int fail(int r, char *error, size_t size, const struct tap_args *a, const char *what)
{
	snprintf(error, size, "tap %s%s%s: %s: %s", a->name, a->netns[0] ? " in namespace " : "", a->netns,
		 what, strerror(-r));
	return r;
}

/* TUNSETIFF's errors in words of what to do. */
static int refused(int r, char *error, size_t size, const struct tap_args *a)
{
	const char *what = "cannot be made";

	if (r == -EBUSY)
		what = "another process has it; stop that one, or give this port another tap name";
	else if (r == -EINVAL)
		what = "an interface of this name exists and is not a tap; remove it (ip link del), or "
		       "give this port another tap name";
	else if (r == -EPERM)
		what = "not permitted; run as root or with CAP_NET_ADMIN";
	return fail(r, error, size, a, what);
}

static int write_sysctl(const struct tap_args *a, size_t i)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/%s/%s/%s/%s", sysctls[i].family, sysctls[i].tree, a->name,
		 sysctls[i].key);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno; /* a kernel without IPv6 */
	int r = write(fd, sysctls[i].value, strlen(sysctls[i].value)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* The kernel gives a link its queue a moment after its carrier, loses what it sends before, and would ask for
 * its first neighbours again only a second later. */
static void await_running(int sock, struct ifreq *ifr)
{
	for (int ms = 0; ms < RUNNING_WAIT_MS; ms++) {
		if (ioctl(sock, SIOCGIFFLAGS, ifr) < 0 || ifr->ifr_flags & IFF_RUNNING)
			return;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

static int configure(int sock, const struct tap_args *a, unsigned *ret_ifindex, char *error, size_t size)
{
	struct ifreq ifr = {0};
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", a->name);

	/* Before the link is up, or its first router solicitations and ARP answers were those of a default.
	 */
	for (size_t i = 0; i < sizeof(sysctls) / sizeof(sysctls[0]); i++) {
		int r = write_sysctl(a, i);
		if (r < 0)
			return fail(r, error, size, a, sysctls[i].key);
	}
	if (ioctl(sock, SIOCGIFINDEX, &ifr) < 0)
		return fail(-errno, error, size, a, "its index");
	unsigned ifindex = (unsigned)ifr.ifr_ifindex;
	/* Set only when it differs: the kernel forgets every neighbour at a change. */
	if (ioctl(sock, SIOCGIFHWADDR, &ifr) < 0)
		return fail(-errno, error, size, a, "its MAC address");
	if (memcmp(ifr.ifr_hwaddr.sa_data, a->mac, 6) != 0) {
		ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
		memcpy(ifr.ifr_hwaddr.sa_data, a->mac, 6);
		if (ioctl(sock, SIOCSIFHWADDR, &ifr) < 0)
			return fail(-errno, error, size, a, "the port's MAC address is not accepted");
	}
	ifr.ifr_mtu = a->mtu;
	if (ioctl(sock, SIOCSIFMTU, &ifr) < 0)
		return fail(-errno, error, size, a, "the port's MTU is not accepted");
	if (ioctl(sock, SIOCGIFFLAGS, &ifr) < 0)
		return fail(-errno, error, size, a, "its flags");
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr) < 0)
		return fail(-errno, error, size, a, "cannot be set up");
	await_running(sock, &ifr);
	*ret_ifindex = ifindex;
	return 0;
}

/* Inside the tap's namespace. */
static int open_here(const struct tap_args *a, int *ret_fd, unsigned *ret_ifindex, char *error, size_t size)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	unsigned ifindex = 0;

	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fail(-errno, error, size, a,
			    errno == ENOENT ? "no /dev/net/tun; load the module (modprobe tun)"
					    : "cannot open /dev/net/tun; run as root or with CAP_NET_ADMIN");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", a->name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		int r = refused(-errno, error, size, a);
		close(fd);
		return r;
	}
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = sock < 0 ? fail(-errno, error, size, a, "no socket") : 0;
	if (r == 0 && ioctl(fd, TUNSETPERSIST, 1) < 0)
		r = fail(-errno, error, size, a, "cannot be made persistent");
	if (r == 0)
		r = configure(sock, a, &ifindex, error, size);
	if (sock >= 0)
		close(sock);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	*ret_ifindex = ifindex;
	return 0;
}

int tap_open(const struct tap_args *args, int *ret_fd, unsigned *ret_ifindex, char *error, size_t error_size)
{
	int back;

	int r = netns_enter(args->netns, &back);
	if (r == -ENOENT)
		return fail(r, error, error_size, args,
			    "no such namespace; make it with `ip netns add`, or set tap_netns to \"\"");
	if (r < 0)
		return fail(r, error, error_size, args, "cannot enter the namespace; run as root");
	r = open_here(args, ret_fd, ret_ifindex, error, error_size);
	netns_leave(back);
	return r;
}

int tap_carrier(int fd, bool up)
{
	int carrier = up;
	return ioctl(fd, TUNSETCARRIER, &carrier) < 0 ? -errno : 0;
}

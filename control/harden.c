/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/harden.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "control/log.h"

int harden_process(void)
{
	static const struct rlimit no_core = {0, 0};

	if (setrlimit(RLIMIT_CORE, &no_core) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
		log_line(LOG_LEVEL_ERROR, "core dumps cannot be switched off: %s", strerror(errno));
		return -errno;
	}
	/* Keys pass through buffers of the connections, of libevent and of the link, and through the stack:
	 * it is simpler to be sure of all pages than of each. ONFAULT: only those that are used. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
		log_line(LOG_LEVEL_WARNING,
			 "memory is not locked (%s), so keys could reach a swap device: give CAP_IPC_LOCK or "
			 "raise "
			 "LimitMEMLOCK, or switch swap off",
			 strerror(errno));
	return 0;
}

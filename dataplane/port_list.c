/* SPDX-License-Identifier: BSD-3-Clause */
#include "port_list.h"

#include <dirent.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PCI_DEVICES "/sys/bus/pci/devices"

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, size - used, format, args);
	va_end(args);
}

static int is_network(const char *address)
{
	char path[300];
	unsigned class = 0;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/class", address);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%x", &class) != 1)
		class = 0;
	fclose(f);
	return class >> 16 == 0x02; /* network controllers */
}

static void append_pci(char *text, size_t size, const char *address, int first)
{
	char path[300], driver[256];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver", address);
	ssize_t n = readlink(path, driver, sizeof(driver) - 1);
	driver[n < 0 ? 0 : n] = '\0';
	const char *name = strrchr(driver, '/');
	append(text, size, "%s%s (driver %s)", first ? "; PCI devices " : ", ", address,
	       name != NULL ? name + 1 : "none");
}

void port_list_available(char *text, size_t size)
{
	struct if_nameindex *interfaces = if_nameindex();
	const char *separator = "interfaces ";

	snprintf(text, size, "%s", "");
	for (struct if_nameindex *i = interfaces; i != NULL && i->if_index != 0; i++) {
		append(text, size, "%s%s", separator, i->if_name);
		separator = ", ";
	}
	if (interfaces != NULL)
		if_freenameindex(interfaces);
	DIR *dir = opendir(PCI_DEVICES);
	int first = 1;
	for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
		if (e->d_name[0] != '.' && is_network(e->d_name)) {
			append_pci(text, size, e->d_name, first);
			first = 0;
		}
	if (dir != NULL)
		closedir(dir);
	if (first)
		append(text, size, "; no PCI network devices");
}

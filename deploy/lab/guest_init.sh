#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Process 1 of the phone's guest. The root file system is the host's, read only. Kernel parameters that the
# kernel does not know (LAB=, A4=, ...) arrive as environment.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /run
mkdir -p /run/mods/lib
ln -s /usr/lib/uml/modules /run/mods/lib/modules
printf '#!/bin/sh\nexec /sbin/modprobe -d /run/mods "$@"\n' >/run/modprobe
chmod +x /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
for module in ipv6 xfrm_user esp4 esp6 hmac crypto_null authenc echainiv; do
	/run/modprobe "$module" || echo "guest: modprobe $module failed"
done
ip -batch - <<EOF
link set lo up
link set vec0 up
link set vec1 up
addr add $A4/24 dev vec0
addr add $A6/64 dev vec0 nodad
addr add $C4/24 dev vec1
route add default via $G4
route add default via $G6 dev vec0
EOF
cd "$LAB/.." && exec /usr/bin/python3 -m lab.guest_agent "$C4" 9999

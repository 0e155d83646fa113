# Lists a host: paths with type, mode, owner, size or target, and contents; accounts, units, a kernel parameter.
# Left out are homes, and what a running host changes by itself.
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /home -o -path /root \
  -o -path /var/log -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/systemd -o -name 'ssh_host_*' \) -prune \
  -o -type f -printf '%p %m %u:%g %s\n' -o -printf '%p %y %m %u:%g %l\n' | sort
find /etc /opt /srv /usr/local /var/spool -xdev -type f ! -name 'ssh_host_*' -exec sha256sum {} + | sort
getent passwd
getent group
systemctl list-unit-files --no-legend --no-pager | sort
sysctl net.ipv4.tcp_syn_retries

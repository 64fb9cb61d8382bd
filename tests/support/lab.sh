#!/usr/bin/env bash
# Fake hosts on one machine, to try Ray's cluster launcher for real.
#
# There is a laptop (lap, 10.77.0.100) and three hosts (h1 to h3, 10.77.0.1 to 10.77.0.3). Each has its
# own network, processes, host name, home folder, /tmp, /run and /dev/shm, and an sshd that lets root in
# with the key LAB/id_lab. They share the rest of the file system, so a folder elsewhere plays the
# storage that real hosts share.
#
#   lab.sh up                       start all hosts, after stopping those that an earlier lab left
#   lab.sh down                     stop all hosts and unmount what is mounted below LAB
#   lab.sh on HOST COMMAND          run a command on a host, as root in its home folder
#   lab.sh start_host HOST ADDRESS  start one host, for example one that was killed
#   lab.sh killhost HOST            kill every process of a host, as a crash does
#   lab.sh linkdown HOST            cut a host's network, as a power loss looks from outside
#   lab.sh linkup HOST              restore it
#
# Two variables have to be set, both to absolute paths:
#   LAB    a folder for the hosts' files; not below /tmp, /run or the home folder, which every host
#          replaces by its own
#   VENV   the virtual environment that commands on the hosts use; `down` does not need it
#
# Needs root and the Debian packages iproute2, openssh-server and rsync. Only one lab can run at a time.
set -eu

: "${LAB:?must be an absolute folder for the hosts}"
case "$LAB" in
  /tmp* | /run* | "$HOME"*)
    echo "LAB must not lie below /tmp, /run or $HOME, got $LAB: every host has its own of these" >&2
    exit 2
    ;;
esac
HOSTS="lap:10.77.0.100 h1:10.77.0.1 h2:10.77.0.2 h3:10.77.0.3"
SWITCH=rtsw # the network namespace that connects those of the hosts, which are called rt-HOST

up() {
  : "${VENV:?must be the virtual environment of the hosts}"
  stop_hosts
  mkdir -p "$LAB/run" /run/sshd
  for key in id_lab hostkey; do
    [ -f "$LAB/$key" ] || ssh-keygen -q -t ed25519 -N '' -f "$LAB/$key" -C lab
  done
  ip netns add $SWITCH
  ip -n $SWITCH link add br0 type bridge
  ip -n $SWITCH link set br0 up
  for entry in $HOSTS; do
    connect "${entry%%:*}" "${entry##*:}"
    start_host "${entry%%:*}" "${entry##*:}"
  done
}

connect() { # HOST ADDRESS: the host's network namespace, with a cable to the switch
  ip netns add "rt-$1"
  ip link add "v-$1" netns $SWITCH type veth peer name eth0 netns "rt-$1"
  ip -n $SWITCH link set "v-$1" master br0 up
  ip -n "rt-$1" addr add "$2/24" dev eth0
  ip -n "rt-$1" link set eth0 up
  ip -n "rt-$1" link set lo up
}

start_host() {
  local files="$LAB/hosts/$1"
  mkdir -p "$files/root/.ssh" "$files/tmp" "$files/run"
  cp "$LAB/id_lab.pub" "$files/root/.ssh/authorized_keys"
  chmod 700 "$files/root" "$files/root/.ssh"
  chmod 600 "$files/root/.ssh/authorized_keys"
  chmod 1777 "$files/tmp"
  printf 'export PATH=%s/bin:$PATH\n' "$VENV" >"$files/root/.bashrc"
  printf '[ -f ~/.bashrc ] && . ~/.bashrc\n' >"$files/root/.profile"
  write_sshd_config "$2" >"$files/sshd_config"
  write_init "$1" "$2" "$files" >"$files/init.sh"
  chmod +x "$files/init.sh"
  setsid nohup ip netns exec "rt-$1" \
    unshare --mount --pid --fork --uts --ipc --mount-proc --kill-child "$files/init.sh" \
    >"$files/sshd.log" 2>&1 </dev/null &
  echo $! >"$LAB/run/$1.pid"
}

write_sshd_config() { # ADDRESS
  cat <<END
ListenAddress $1
Port 22
HostKey $LAB/hostkey
PidFile none
AuthorizedKeysFile /root/.ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
Subsystem sftp internal-sftp
END
}

write_init() { # HOST ADDRESS FILES: the host's first process. A pyenv below the home folder stays seen.
  cat <<END
#!/bin/bash
hostname lab-$1
mkdir -p $3/root/.pyenv
[ -d $HOME/.pyenv ] && mount --bind $HOME/.pyenv $3/root/.pyenv
mount --bind $3/tmp /tmp
mount -t tmpfs -o size=2g shm /dev/shm
mount --rbind $3/root /root
mount --bind $3/run /run
mkdir -p /run/sshd
printf '127.0.0.1 localhost\n$2 lab-$1\n' > $3/hosts
mount --bind $3/hosts /etc/hosts
cd /root
export HOME=/root
exec /usr/sbin/sshd -D -e -f $3/sshd_config
END
}

init_of() { # HOST: the id of the host's first process, as this machine counts
  cat "/proc/$(cat "$LAB/run/$1.pid")/task/"*/children | awk '{print $1}'
}

on() {
  local host=$1 path="$VENV/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
  shift
  nsenter -t "$(init_of "$host")" -m -p -n -u -i \
    env -i HOME=/root TERM=dumb LANG=C.UTF-8 PATH="$path" bash -c "cd /root; $*"
}

killhost() { kill -9 "$(init_of "$1")"; }
linkdown() { ip -n $SWITCH link set "v-$1" down; }
linkup() { ip -n $SWITCH link set "v-$1" up; }

down() {
  stop_hosts
  awk -v below="$LAB/" 'index($2, below) == 1 {print $2}' /proc/self/mounts | tac |
    while read -r point; do umount -l "$point"; done
}

stop_hosts() { # those that are there: a lab that was killed may have been half up, or half down
  for entry in $HOSTS; do
    clear_namespace "rt-${entry%%:*}"
  done
  clear_namespace $SWITCH
}

clear_namespace() { # NAMESPACE: kill every process in it, and remove it
  ip netns list | awk '{print $1}' | grep -qx "$1" || return 0
  for _ in $(seq 50); do
    pids=$(ip netns pids "$1")
    [ -n "$pids" ] || break
    kill -9 $pids 2>/dev/null || true
    sleep 0.1
  done
  ip netns del "$1"
}

case "${1:-}" in
  up | down | on | start_host | killhost | linkdown | linkup) "$@" ;;
  *)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

/**
 * Several hosts on one machine: network namespaces on a bridge, each with its own address, host name and mounts, and
 * nothing shared but the program, which is read-only there. Needs root and `ip` (iproute2).
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { randomInt } from 'node:crypto';
import { root } from './lib.mjs';

/** Why hosts can't be made here; undefined where they can. */
export function whyNoHosts() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'hosts need root on Linux';
  if (spawnSync('ip', ['netns', 'list']).status !== 0) return 'hosts need `ip netns` (iproute2)';
  return undefined;
}

function sh(command, ...args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

/** What a host does first: a file system of its own where run folders lie, with its own copy of the input. */
const INSIDE = `
set -e
hostname "$1"
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
[ -z "$3" ] || cp -a "$3" /mnt/given
mount -t tmpfs tmpfs /tmp
mkdir -p "$2"
[ ! -e /mnt/given ] || cp -a /mnt/given "$2/$(basename "$3")"
umount /mnt
mount --bind "$4" "$4"
mount -o remount,ro,bind "$4"
cd "$2"
echo ready
exec sleep 1000000
`;

/**
 * @param count hosts
 * @param folder absolute, below /tmp: another one on each host, under the same name
 * @param given a file or folder that each host gets its own copy of, in `folder`
 */
export async function makeHosts(count, folder, given = '') {
  const tag = randomInt(36 ** 3).toString(36);
  const net = randomInt(2, 250);
  const bridge = `prb${tag}`;
  const bridgeAddress = `198.18.${net}.1`;
  const hosts = [];
  const remove = () => {
    for (const { holder } of hosts) holder?.kill('SIGKILL');
    for (let i = 1; i <= count; i++) {
      const listed = spawnSync('ip', ['netns', 'pids', `pr-${tag}-${i}`], { encoding: 'utf8' }).stdout ?? '';
      for (const pid of listed.split('\n').filter(Boolean)) {
        try {
          process.kill(Number(pid), 'SIGKILL');
        } catch {
          // gone
        }
      }
      spawnSync('ip', ['netns', 'del', `pr-${tag}-${i}`]);
      spawnSync('ip', ['link', 'del', `prv${tag}${i}`]);
    }
    spawnSync('ip', ['link', 'del', bridge]);
  };
  process.once('exit', remove);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  sh('ip', 'link', 'add', bridge, 'type', 'bridge');
  sh('ip', 'addr', 'add', `${bridgeAddress}/24`, 'dev', bridge);
  sh('ip', 'link', 'set', bridge, 'up');
  for (let i = 1; i <= count; i++) hosts.push(await makeHost(i));
  return { bridgeAddress, hosts, remove };

  async function makeHost(i) {
    const name = `pr-${tag}-${i}`;
    const link = `prv${tag}${i}`;
    const address = `198.18.${net}.${10 + i}`;
    sh('ip', 'netns', 'add', name);
    sh('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    sh('ip', 'link', 'set', link, 'master', bridge, 'up');
    sh('ip', '-n', name, 'link', 'set', 'lo', 'up');
    sh('ip', '-n', name, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    sh('ip', '-n', name, 'link', 'set', 'eth0', 'up');
    sh('ip', '-n', name, 'route', 'add', 'default', 'via', bridgeAddress);
    const inside = ['sh', '-c', INSIDE, 'host', `host${i}`, folder, given, root];
    const holder = spawn('nsenter', [`--net=/run/netns/${name}`, 'unshare', '--uts', '--mount', ...inside], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    const enter = [
      '-t',
      String(holder.pid),
      '--net',
      '--uts',
      '--mount',
      '--',
      'sh',
      '-c',
      'cd "$1" && shift && exec "$@"',
      'in',
      folder,
    ];
    return {
      name: `host${i}`,
      address,
      holder,
      spawn: (command, args, options = {}) => spawn('nsenter', [...enter, command, ...args], options),
      read: (path) => spawnSync('nsenter', [...enter, 'cat', path], { encoding: 'utf8', maxBuffer: 1e9 }).stdout ?? '',
      cut: () => sh('ip', 'link', 'set', link, 'down'),
      mend: () => sh('ip', 'link', 'set', link, 'up'),
    };
  }
}

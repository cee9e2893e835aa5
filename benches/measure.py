#!/usr/bin/env python3
"""What the harness's table does not show: system calls per GiB, and memory while something is under way.

  measure.py syscalls [CONTENDER,...] [http,https]   strace -c on the running proxy, 512 MiB each way
  measure.py memory   [CONTENDER,...] [http,https]   RSS over idle: 5 GiB down and up, 100 slow downloads

Runs in the harness's network namespace, with its contenders and ours (PERF_EXTRA). BENCH is the harness's folder.
"""
import json, os, re, subprocess, sys, tempfile, threading, time

arguments, sys.argv = sys.argv[1:], sys.argv[:1]
sys.path.insert(0, os.environ.get('BENCH', os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'shared', 'bench')))
import bench

GIB = 1 << 30
SCRATCH = tempfile.mkdtemp(prefix='tidegate-measure-')
# Contenders give up their rights and still read their files.
os.chmod(SCRATCH, 0o755)


class Running:
    """One contender with its origin."""

    def __init__(self, name, upstream, port):
        folder = f'{SCRATCH}/{name}-{upstream}'
        os.makedirs(folder)
        os.chmod(folder, 0o777)
        address = bench.SINK_TLS if upstream == 'https' else bench.SINK_PLAIN
        certificates = bench.CERTS
        c = dict(port=port, upstream=upstream, up_addr=address, cert=certificates + '/srv.pem', key=certificates + '/srv.key',
                 both=certificates + '/srv-both.pem', ca=certificates + '/ca.pem', workers=1, dir=folder, bin=bench.BIN)
        self.folder, self.port = folder, port
        self.spec = bench.CONTENDERS[name](c)
        self.process = bench.Proc(self.spec['cmd'], '0', folder + '/log', self.spec.get('env'))
        if not bench.wait_port('127.0.0.1:%d' % port):
            sys.exit(f'{name} did not start, see {folder}/log')
        time.sleep(0.5)

    def load(self, mode, path, *more):
        url = f"{self.spec['scheme']}://127.0.0.1:{self.port}{path}"
        command = [bench.BIN + '/load', mode, '--url', url, '--ca', bench.CERTS + '/ca.pem', *more, *bench.ext(self.spec)]
        done = subprocess.run(bench.pin('1') + command, capture_output=True, text=True, timeout=300)
        outcome = json.loads(done.stdout.strip().splitlines()[-1])
        if outcome.get('errors'):
            sys.exit(f'{mode} {path}: {done.stderr[:300]}')
        return outcome

    def rss(self):
        return bench.mem(self.process.pids())[0] / 1024

    def peak(self, work):
        """MiB, the most that was seen every 50 ms."""
        seen, over = [], threading.Event()

        def watch():
            while not over.wait(0.05):
                seen.append(self.rss())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            work()
        finally:
            over.set()
            watcher.join()
        return max(seen, default=self.rss())


def syscalls(proxy):
    for mode, path in (('get', f'/bkt/n/{GIB // 2}'), ('put', '/bkt/put')):
        counts = proxy.folder + '/strace'
        attach = sum([['-p', str(pid)] for pid in proxy.process.pids()], [])
        strace = subprocess.Popen(['strace', '-f', '-c', '-o', counts] + attach, stderr=subprocess.DEVNULL)
        time.sleep(0.7)
        proxy.load(mode, path, '--n', '1', '--size', str(GIB // 2))
        strace.send_signal(2)
        strace.wait()
        found = {}
        for line in open(counts):
            row = re.match(r'\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$', line)
            if row and row.group(2) != 'total':
                found[row.group(2)] = 2 * int(row.group(1))
        top = sorted(found.items(), key=lambda item: -item[1])[:5]
        yield f'{mode} {sum(found.values())}/GiB (' + ' '.join('%s %d' % item for item in top) + ')'


def memory(proxy):
    proxy.load('small', '/bkt/small', '--conns', '1', '--n', '1', '--warm', '0')
    idle = proxy.rss()
    yield f'idle {idle:.1f} MiB'
    whole = str(GIB)
    for what, work in (
        ('5 GiB down', lambda: proxy.load('get', f'/bkt/n/{GIB}', '--n', '5')),
        ('5 GiB up', lambda: proxy.load('put', '/bkt/put', '--n', '5', '--size', whole)),
        ('100 slow downloads', lambda: proxy.load('slow', f'/bkt/n/{GIB}', '--conns', '100', '--bps', '65536', '--secs', '12',
                                                  '--rcvbuf', '65536')),
    ):
        yield f'{what} +{proxy.peak(work) - idle:.1f}'
    time.sleep(2)
    yield f'after +{proxy.rss() - idle:.1f}'


def main():
    what = dict(syscalls=syscalls, memory=memory).get(arguments[0] if arguments else '')
    if what is None:
        sys.exit(__doc__)
    names = (arguments[1] if len(arguments) > 1 else 'tidegate').split(',')
    upstreams = (arguments[2] if len(arguments) > 2 else 'http,https').split(',')
    os.makedirs(bench.CERTS, exist_ok=True)
    if not os.path.exists(bench.CERTS + '/srv-both.pem'):
        bench.certificates()
    sink = bench.Proc([bench.BIN + '/sink', '--plain', bench.SINK_PLAIN, '--tls', bench.SINK_TLS, '--cert', bench.CERTS + '/srv.pem',
                       '--key', bench.CERTS + '/srv.key'], '1', SCRATCH + '/sink.log')
    try:
        bench.wait_port(bench.SINK_PLAIN)
        port = 19000
        for name in names:
            for upstream in upstreams:
                port += 1
                proxy = Running(name, upstream, port)
                try:
                    for part in what(proxy):
                        print(f'{name:16} {upstream:5} {part}', flush=True)
                finally:
                    proxy.process.stop()
    finally:
        sink.stop()


if __name__ == '__main__':
    main()

"""Tidegate as a contender of the proxy benchmark (named by PERF_EXTRA).

Everything is switched on: SigV4 verified, Cedar decides, the request is re-signed, the audit record is written.
A session is issued by the binary under test itself, against a throw-away identity provider in this process;
sessions are stateless, so the benchmarked process opens it with the same key ring.

Environment: TIDEGATE_BIN, the release binary (default target/release/tidegate).
"""
import base64, http.server, json, os, re, signal, ssl, subprocess, threading, time, urllib.parse, urllib.request

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

HERE_BENCHES = os.path.dirname(os.path.abspath(os.environ.get('PERF_EXTRA', '.')))
BINARY = os.environ.get('TIDEGATE_BIN', os.path.join(HERE_BENCHES, '..', 'target', 'release', 'tidegate'))
AUDIENCE = 'https://bench.tidegate.test'


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


class Issuer:
    """Discovery, keys and one token; alive only while the session is issued."""

    def __init__(self, certificate, key):
        self.key = ec.generate_private_key(ec.SECP256R1())
        numbers = self.key.public_key().public_numbers()
        self.jwk = dict(kty='EC', crv='P-256', alg='ES256', use='sig', kid='bench-key',
                        x=b64(numbers.x.to_bytes(32, 'big')), y=b64(numbers.y.to_bytes(32, 'big')))
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                document = {'/jwks': dict(keys=[issuer.jwk])}.get(
                    self.path, dict(issuer=issuer.url, jwks_uri=issuer.url + '/jwks'))
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header('content-type', 'application/json')
                self.send_header('content-length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = 'https://localhost:%d' % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self):
        now = int(time.time())
        claims = dict(iss=self.url, sub='bench', aud=AUDIENCE, iat=now, exp=now + 12 * 3600)
        parts = [b64(json.dumps(part).encode()) for part in (dict(alg='ES256', typ='JWT', kid='bench-key'), claims)]
        signature = self.key.sign('.'.join(parts).encode(), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(signature)
        return '.'.join(parts + [b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))])

    def close(self):
        self.server.shutdown()
        self.server.server_close()


POLICY = '''@id("bench") permit (principal == Tidegate::Workload::"bench:bench",
  action in [Tidegate::Action::"read", Tidegate::Action::"write", Tidegate::Action::"list"], resource);
'''


def rules(count):
    """Other principals' rules, to show that decisions stay flat."""
    return ''.join('@id("rule-%d") permit (principal == Tidegate::Workload::"bench:other-%d", '
                   'action in Tidegate::Action::"read", resource) when { resource.key like "team-%d/*" };\n' % (n, n, n)
                   for n in range(count))


def tidegate(c, policies=0):
    folder = c['dir']
    issuer = Issuer(c['cert'], c['key'])
    keys = os.path.join(folder, 'session-keys.toml')
    if os.path.exists(keys):
        os.remove(keys)
    subprocess.run([BINARY, 'keys', 'new', keys], check=True, stdout=subprocess.DEVNULL)
    write(c, 'bkt.cedar', POLICY + rules(policies))
    secrets = {name: write(c, name, text) for name, text in (('id', 'TGT'), ('secret', 'tgtsecret'))}
    host, port = c['up_addr'].split(':')
    ca = 'ca = "%s"' % c['ca'] if c['upstream'] == 'https' else ''
    config = write(c, 'tidegate.toml', f'''
[server]
listen = "127.0.0.1:{c['port']}"
domains = ["localhost"]
max_connections = 8000
max_connections_per_address = 8000
[server.tls]
certificate = "{c['cert']}"
key = "{c['key']}"
[admin]
listen = "127.0.0.1:0"
[sessions]
keys = "{keys}"
default_lifetime = "12h"
[audit]
file = "{folder}/audit.jsonl"
[[issuers]]
name = "bench"
issuer = "{issuer.url}"
audiences = ["{AUDIENCE}"]
kind = "workload"
ca = "{c['ca']}"
[targets.store]
kind = "s3"
endpoint = "{c['upstream']}://localhost:{port}"
region = "us-east-1"
{ca}
[targets.store.credentials]
kind = "static"
access_key_id = "file:{secrets['id']}"
secret_access_key = "file:{secrets['secret']}"
[buckets.bkt]
target = "store"
policy = "{folder}/bkt.cedar"
''')
    command = [BINARY, 'serve', '--config', config]
    sign = session(command, c, issuer)
    issuer.close()
    return dict(cmd=command, scheme='https', host='localhost:%d' % c['port'], sign=sign)


def session(command, c, issuer):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=open(os.path.join(c['dir'], 'issue.log'), 'wb'))
    try:
        for _ in range(2):
            process.stdout.readline()
        form = urllib.parse.urlencode(dict(Action='AssumeRoleWithWebIdentity', Version='2011-06-15',
                                           RoleSessionName='bench', WebIdentityToken=issuer.token()))
        context = ssl.create_default_context(cafile=c['ca'])
        answer = urllib.request.urlopen('https://localhost:%d/' % c['port'], form.encode(), context=context).read()
        element = lambda name: re.search(f'<{name}>(.*?)</{name}>', answer.decode()).group(1)
        return ':'.join([element('AccessKeyId'), element('SecretAccessKey'), 'us-east-1', element('SessionToken')])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


CONTENDERS = {
    'tidegate': tidegate,
    'tidegate-10k-policies': lambda c: tidegate(c, policies=10_000),
}

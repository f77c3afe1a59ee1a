/** Floods a server with unsigned callbacks from a process of its own: `node flooding.ts <url> <connections>`. */
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';

const [url = '', connections = '100'] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) });
const BODY = Buffer.from(`<xml><Encrypt><![CDATA[${'A'.repeat(30_000)}]]></Encrypt></xml>`);

/** In turn: without a signature, with one that covers the body, for an unknown account. */
function once(turn: number): Promise<void> {
  const account = turn % 3 === 2 ? 'wx-unknown' : 'wx0000000000000001';
  const query = turn % 3 === 1 ? `?msg_signature=${randomBytes(20).toString('hex')}&timestamp=1&nonce=1` : '';
  return new Promise((resolve) => {
    const sent = request(`${url}/wechat/${account}${query}`, { method: 'POST', agent }, (response) => {
      response.resume().once('close', () => resolve());
    });
    sent.once('error', () => resolve());
    sent.end(BODY);
  });
}

let count = 0;
process.once('SIGTERM', () => {
  process.stdout.write(String(count));
  process.exit(0);
});
for (let n = 0; n < Number(connections); n++) {
  void (async () => {
    for (let turn = n; ; turn++) {
      await once(turn);
      count++;
    }
  })();
}

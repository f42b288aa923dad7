// A client on npm smpp, told what to do and telling what it sees, one line of JSON each.
// {"act": "connect", "port": 2775}, with "ca" (PEM) over TLS; {"act": "send", "n": 1, "command": "submit_sm", "fields": {}};
// {"act": "close"}. It answers whatever it is asked.
const smpp = require('smpp');
const { obey, revived, shown, tell } = require('./wire');

let session = null;

obey({
  connect({ port, ca }) {
    const where = { host: '127.0.0.1', port, tls: Boolean(ca), ca };
    session = smpp.connect(where, () => tell({ connected: true }));
    session.on('pdu', (pdu) => {
      if (pdu.isResponse()) return;
      tell({ asked: shown(pdu) });
      session.send(pdu.response());
    });
    session.on('error', (error) => tell({ error: String(error) }));
    session.on('close', () => tell({ closed: true }));
  },
  send({ n, command, fields }) {
    session[command](revived(fields || {}), (pdu) => tell({ answer: n, ...shown(pdu) }));
  },
  close() {
    session.close();
  },
});

// A client on npm smpp: binds to the port given, submits three messages, takes three receipts,
// unbinds. Tells what it saw as one line of JSON each.
const smpp = require('smpp');

const tell = (seen) => console.log(JSON.stringify(seen));
const texts = ['hello', 'Привет', 'x'.repeat(600)];
let answers = 0;
let receipts = 0;

const session = smpp.connect({ host: '127.0.0.1', port: Number(process.argv[2]) }, () => {
  session.bind_transceiver({ system_id: 'node', password: 'secret' }, (bound) => {
    tell({ bound: bound.command_status, by: bound.system_id, version: bound.sc_interface_version });
    texts.forEach((text, place) => {
      const body = text.length > 140 ? { message_payload: text } : { short_message: text };
      session.submit_sm({
        source_addr: 'Shop',
        destination_addr: '491700000001',
        registered_delivery: 1,
        data_coding: place === 1 ? 8 : 0,
        ...body,
      }, (answer) => {
        answers += 1;
        tell({ answer: place, status: answer.command_status, message_id: answer.message_id });
        leaveWhenDone();
      });
    });
  });
});

session.on('deliver_sm', (pdu) => {
  receipts += 1;
  tell({
    receipt: pdu.receipted_message_id,
    state: pdu.message_state,
    text: pdu.short_message.message,
  });
  session.send(pdu.response());
  leaveWhenDone();
});
session.on('enquire_link', (pdu) => session.send(pdu.response()));
session.on('error', (error) => tell({ error: String(error) }));
session.on('close', () => tell({ closed: true }));

function leaveWhenDone() {
  if (answers === texts.length && receipts === texts.length) {
    session.unbind({}, (answer) => {
      tell({ unbound: answer.command_status });
      session.close();
    });
  }
}

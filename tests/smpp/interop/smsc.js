// A message centre on npm smpp: accepts system_id "esme", answers every submit_sm and sends a
// receipt for it. Tells its port and what it saw as one line of JSON each.
const smpp = require('smpp');

const tell = (seen) => console.log(JSON.stringify(seen));
let count = 0;

const server = smpp.createServer((session) => {
  session.on('bind_transceiver', (pdu) => {
    const known = pdu.system_id === 'esme';
    session.send(pdu.response({ system_id: 'npm', command_status: known ? 0 : smpp.ESME_RBINDFAIL }));
    if (known) {
      session.enquire_link({}, (answer) => tell({ alive: answer.command_status }));
    }
  });
  session.on('submit_sm', (pdu) => {
    count += 1;
    const id = `npm-${count}`;
    tell({ text: pdu.short_message.message, to: pdu.destination_addr, coding: pdu.data_coding });
    session.send(pdu.response({ message_id: id }));
    session.deliver_sm({
      source_addr: pdu.destination_addr,
      destination_addr: pdu.source_addr,
      esm_class: 4,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 `
        + 'stat:DELIVRD err:000 text:',
      receipted_message_id: id,
      message_state: 2,
    }, (answer) => tell({ acknowledged: id, status: answer.command_status }));
  });
  session.on('unbind', (pdu) => {
    tell({ unbind: true });
    session.send(pdu.response());
    session.close();
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('error', (error) => tell({ error: String(error) }));
});
server.listen(0, '127.0.0.1', () => tell({ port: server.address().port }));

// A message centre on npm smpp. It tells its port and all that it is asked, one line of JSON each,
// and lets system_id "esme" bind. A submit_sm is answered with an id of its own and, if it asks for
// one, has a receipt; the last digit of its destination is its fate. To have it deliver:
// {"act": "deliver", "n": 1, "fields": {}}.
const smpp = require('smpp');
const { obey, revived, shown, tell } = require('./wire');

const FATES = { 7: ['EXPIRED', 3], 8: ['UNDELIV', 5], 9: ['REJECTD', 8] };
const bound = [];
let count = 0;

const server = smpp.createServer((session) => {
  ['bind_transceiver', 'bind_transmitter', 'bind_receiver'].forEach((command) => {
    session.on(command, (pdu) => {
      const known = pdu.system_id === 'esme';
      session.send(pdu.response({ system_id: 'npm', command_status: known ? 0 : smpp.ESME_RBINDFAIL }));
      if (!known) return;
      if (command !== 'bind_transmitter') bound.push(session);
      session.enquire_link({}, (answer) => tell({ alive: answer.command_status }));
    });
  });
  session.on('submit_sm', (pdu) => {
    count += 1;
    const id = `npm-${count}`;
    tell({ taken: id, ...shown(pdu) });
    session.send(pdu.response({ message_id: id }));
    if (pdu.registered_delivery & 1) session.deliver_sm(receipt(id, pdu), (answer) => tell({ receipted: id, status: answer.command_status }));
  });
  session.on('unbind', (pdu) => {
    tell({ unbind: true });
    session.send(pdu.response());
    session.close();
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('close', () => bound.splice(0, bound.length, ...bound.filter((each) => each !== session)));
  session.on('error', (error) => tell({ error: String(error) }));
});
server.listen(0, '127.0.0.1', () => tell({ port: server.address().port }));

obey({
  deliver({ n, fields }) {
    bound[n % bound.length].deliver_sm(revived(fields), (pdu) => tell({ delivered: n, status: pdu.command_status }));
  },
});

function receipt(id, pdu) {
  const [word, state] = FATES[pdu.destination_addr.slice(-1)] || ['DELIVRD', 2];
  return {
    source_addr_ton: pdu.dest_addr_ton,
    source_addr_npi: pdu.dest_addr_npi,
    source_addr: pdu.destination_addr,
    dest_addr_ton: pdu.source_addr_ton,
    dest_addr_npi: pdu.source_addr_npi,
    destination_addr: pdu.source_addr,
    esm_class: 4,
    short_message: `id:${id} sub:001 dlvrd:${state === 2 ? '001' : '000'} submit date:2601010000 `
      + `done date:2601010001 stat:${word} err:${state === 2 ? '000' : '011'} text:`,
    receipted_message_id: id,
    message_state: state,
  };
}

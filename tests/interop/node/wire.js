// What both sides share: JSON a line, with octets as {"hex": "..."}.
const readline = require('readline');

const HEAD = ['command', 'command_id', 'command_length', 'command_status', 'sequence_number'];

exports.tell = (seen) => process.stdout.write(`${JSON.stringify(seen)}\n`);

exports.shown = (pdu) => {
  const fields = {};
  Object.keys(pdu).filter((key) => !HEAD.includes(key)).forEach((key) => {
    fields[key] = plain(pdu[key]);
  });
  return { command: pdu.command, status: pdu.command_status, fields };
};

exports.revived = (value) => {
  if (Array.isArray(value)) return value.map(exports.revived);
  if (value === null || typeof value !== 'object') return value;
  if (typeof value.hex === 'string') return Buffer.from(value.hex, 'hex');
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, exports.revived(each)]));
};

exports.obey = (acts) => {
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const order = JSON.parse(line);
    acts[order.act](order);
  });
};

function plain(value) {
  if (Buffer.isBuffer(value)) return { hex: value.toString('hex') };
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}

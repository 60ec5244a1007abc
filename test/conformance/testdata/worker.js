// One EventSource for all tabs of an origin.
const ports = [];
let source;

const tell = text => ports.forEach(port => port.postMessage(text));

onconnect = ({ports: [port]}) => {
  ports.push(port);
  port.onmessage = ({data: url}) => {
    if (source) {
      if (source.readyState === EventSource.OPEN) port.postMessage("runnel-open");
      return;
    }
    source = new EventSource(url);
    source.addEventListener("runnel-open", e => tell(e.type));
    source.onmessage = e => tell(e.lastEventId + " " + e.data);
  };
};

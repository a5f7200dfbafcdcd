"""Two programs that tell a collector what they do, for the tests of telemetry. Both listen on a free port of 127.0.0.1.

`traced.py COLLECTOR api` is an API without MCP: it answers with the `baggage` it was sent.
`traced.py COLLECTOR server API` is an MCP server of both eras whose tool `lookup` asks that API. Its spans are those of
the Python SDK.
"""

import os
import socket
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor


def tell(collector, service):
    """Every span goes to the collector before the next thing happens."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{collector}/v1/traces")))
    trace.set_tracer_provider(provider)
    return trace.get_tracer(service)


def end_with_stdin():
    sys.stdin.read()
    os._exit(0)


def api(collector):
    tracer = tell(collector, "api")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            context = propagate.extract({name.lower(): value for name, value in self.headers.items()})
            with tracer.start_as_current_span("GET /", context=context, kind=trace.SpanKind.SERVER):
                body = self.headers.get("baggage", "none").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"listening on 127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


def server(collector, url):
    import uvicorn
    from mcp.server.mcpserver import Context, MCPServer

    tracer = tell(collector, "server")
    mcp = MCPServer("traced")

    @mcp.tool()
    def lookup(ctx: Context) -> str:
        """Asks the API."""
        with tracer.start_as_current_span("GET", kind=trace.SpanKind.CLIENT):
            headers = {}
            propagate.inject(headers)
            # The SDK makes the span current and the baggage not.
            headers["baggage"] = (ctx.request_context.meta or {}).get("baggage", "none")
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
                return answer.read().decode()

    listener = socket.create_server(("127.0.0.1", 0))
    print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(mcp.streamable_http_app(), log_level="warning")).run(sockets=[listener])


threading.Thread(target=end_with_stdin, daemon=True).start()
{"api": api, "server": server}[sys.argv[2]](sys.argv[1], *sys.argv[3:])

"""The Python SDK 2.x as a client that tells a collector what it does: `traced.py COLLECTOR URL legacy|2026-07-28`.

Calls the tool `lookup` inside a span of its own, with baggage, and prints the trace's id and the answer.
"""

import asyncio
import sys

from mcp import Client
from opentelemetry import baggage, context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor


async def main(collector, url, mode):
    provider = TracerProvider(resource=Resource.create({"service.name": "client"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{collector}/v1/traces")))
    trace.set_tracer_provider(provider)
    async with Client(url, mode=mode) as client:
        for key, value in {"tenant_id": "a", "user": "alice", "allowed": "1"}.items():
            context.attach(baggage.set_baggage(key, value))
        with trace.get_tracer("client").start_as_current_span("task") as span:
            result = await client.call_tool("lookup", {})
            print(f"{span.get_span_context().trace_id:032x} {result.content[0].text}")


asyncio.run(main(*sys.argv[1:]))

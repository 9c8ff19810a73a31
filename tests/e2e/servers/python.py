"""A server on the official Python SDK: python.py stdio, or python.py sse|streamable-http PORT"""

import sys

from mcp.server import MCPServer

server = MCPServer("python")


@server.tool(structured_output=False)
def echo(message: str) -> str:
    """Says it again."""
    return f"Echo: {message}"


transport, *port = sys.argv[1:]
if port:
    server.run(transport, host="127.0.0.1", port=int(port[0]))
else:
    server.run(transport)

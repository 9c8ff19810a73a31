// The site of the makers of the clients: the documents that clients are known by (CIMD), under https.
//
// site.mjs PORT    certificate and key are `site.pem` and `site.key` in the folder that it runs in
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const port = Number(process.argv[2]);
const client_id = `https://localhost:${port}/client.json`;
const document = {
    client_id,
    client_name: 'A program with a site',
    client_uri: `https://localhost:${port}/`,
    redirect_uris: ['http://127.0.0.1:51763/callback', 'http://127.0.0.1:51764/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'native',
};
const options = { cert: readFileSync('site.pem'), key: readFileSync('site.key') };
createServer(options, (request, response) => {
    console.log(`${request.method} ${request.url}`);
    response.writeHead(request.url === '/client.json' ? 200 : 404, {
        'content-type': 'application/json',
    });
    response.end(JSON.stringify(document));
}).listen(port, '127.0.0.1', () => console.log('ready'));

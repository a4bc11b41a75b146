/** nginx with its module nchan, which is a server of its own: for the fan-out only, and where both are installed. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, sleep } from '../processes.js'
import { Poster } from '../poster.js'

/** As long as the plugin's history. Nothing here shall end a connection. */
const config = (module, port) => `
load_module ${module};
daemon off;
worker_processes 1;
pid nginx.pid;
error_log /dev/null;
events { worker_connections 20000; }
http {
  access_log off;
  client_body_temp_path body;
  client_body_buffer_size 64k;
  keepalive_timeout 1h;
  keepalive_requests 100000000;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    nchan_channel_id bench;
    nchan_message_buffer_length 1000;
    nchan_message_timeout 10m;
    location = /subscribe {
      nchan_subscriber eventsource;
      nchan_subscriber_first_message newest;
    }
    location = /publish { nchan_publisher; }
  }
}
`

function modulePath () {
  const { stderr } = spawnSync('nginx', ['-V'], { encoding: 'utf8' })
  const [, directory] = /--modules-path=(\S+)/.exec(stderr ?? '') ?? []
  return directory && join(directory, 'ngx_nchan_module.so')
}

/** @returns why it cannot take part, if it cannot */
export function missing () {
  const path = modulePath()
  if (path === undefined) return 'nginx is not installed'
  return existsSync(path) ? undefined : `there is no ${path} (Debian's package: libnginx-mod-nchan)`
}

/** @returns the process that does the work, the only child of nginx's first, as Linux tells it */
async function workerOf (nginx) {
  for (;;) {
    const children = readFileSync(`/proc/${nginx.pid}/task/${nginx.pid}/children`, 'utf8')
    if (children !== '') return Number(children)
    await sleep(20)
  }
}

export async function start () {
  const directory = mkdtempSync(join(tmpdir(), 'nchan-'))
  const port = await freePort()
  writeFileSync(join(directory, 'nginx.conf'), config(modulePath(), port))
  const nginx = spawn('nginx', ['-e', 'stderr', '-p', directory, '-c', join(directory, 'nginx.conf')], { stdio: ['ignore', 'ignore', 'inherit'] })
  nginx.on('exit', code => { throw new Error(`nginx ended with ${code}`) })
  const worker = await workerOf(nginx)
  process.on('exit', () => {
    nginx.kill()
    rmSync(directory, { recursive: true })
  })

  const poster = new Poster()
  await poster.open(port, 10)
  return {
    port,
    publish: async data => await poster.post(data),
    account: {
      // Linux counts nanoseconds.
      usage: () => ({ cpu: Number(readFileSync(`/proc/${worker}/schedstat`, 'utf8').split(' ')[0]) / 1_000 }),
      memory: () => ({ rss: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${worker}/status`, 'utf8'))[1]) * 1_024 })
    }
  }
}

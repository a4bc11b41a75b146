/** nginx with its module nchan, a separate server program. Runs only the fan-out scenarios, if both are installed. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PostClient } from '../post-client.js'
import { freePort, sleep } from '../processes.js'

/** The history is as long as the plugin's. The limits are so high that nginx never closes a connection. */
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

/** @returns why it cannot be started, or undefined */
export function missing () {
  const path = modulePath()
  if (path === undefined) return 'nginx is not installed'
  return existsSync(path) ? undefined : `${path} does not exist (Debian package: libnginx-mod-nchan)`
}

/** @returns the id of the worker process, the only child of the main process; works on Linux */
async function findWorker (nginx) {
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
  nginx.on('exit', code => { throw new Error(`nginx exited with ${code}`) })
  const worker = await findWorker(nginx)
  process.on('exit', () => {
    nginx.kill()
    rmSync(directory, { recursive: true })
  })

  const client = new PostClient()
  await client.connect(port, 10)
  return {
    port,
    publish: async data => await client.post(data),
    tasks: {
      // schedstat is in nanoseconds.
      cpuUsage: () => ({ cpu: Number(readFileSync(`/proc/${worker}/schedstat`, 'utf8').split(' ')[0]) / 1_000 }),
      memory: () => ({ rss: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${worker}/status`, 'utf8'))[1]) * 1_024 })
    }
  }
}

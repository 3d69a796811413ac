# A server of Action Cable without the rest of Rails: echoes to a stream, says what it has seen at /log.
require "action_cable"
require "json"
require "logger"

LOG = Hash.new(0)

class Connection < ActionCable::Connection::Base
  def connect
    LOG["connected"] += 1
    reject_unauthorized_connection if request.params["token"] == "bad"
  end
end

class ChatChannel < ActionCable::Channel::Base
  def subscribed
    return reject if params["room"] == "closed"
    LOG["subscribed"] += 1
    stream_from "chat-#{params["room"]}"
  end

  def speak(data)
    LOG["speak"] += 1
    ActionCable.server.broadcast("chat-#{params["room"]}", { type: "said", text: data["text"], from: data["from"], n: data["n"] })
  end
end

class ApplicationServer
  def call(env)
    return [200, { "content-type" => "application/json" }, [LOG.to_json]] if env["PATH_INFO"] == "/log"
    ActionCable.server.call(env)
  end
end

ActionCable.server.config.connection_class = -> { Connection }
ActionCable.server.config.cable = { "adapter" => "async" }
ActionCable.server.config.logger = Logger.new(File::NULL)
ActionCable.server.config.disable_request_forgery_protection = ENV["STRICT"].nil? # as installed, an Origin is checked
ActionCable.server.config.allow_same_origin_as_host = true
run ApplicationServer.new

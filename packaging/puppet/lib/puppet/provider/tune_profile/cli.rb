# frozen_string_literal: true

require 'json'

Puppet::Type.type(:tune_profile).provide(:cli) do
  desc 'Calls tune and reads the one JSON object that it prints.'

  # Looked at after PATH, which is short where cron starts Puppet.
  PLACES = ['/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/usr/bin', '/opt/local/sbin'].freeze

  def self.instances
    reader = new(name: 'tune')
    path = reader.find('tune')
    return [] unless path

    reader.call(path, 'active').fetch('profiles').map { |name| new(name: name, ensure: :applied) }
  end

  # Looks and changes nothing: whether tune would change anything, or still holds anything.
  def state
    return not_installed unless path
    return held? ? :applied : :absent unless resource.should(:ensure) == :applied

    @document = checked(tune('apply', '--check'))
    @document['changed'] ? :drifted : :applied
  end

  def apply
    finish(tune('apply', '--yes'))
  end

  def give_up
    finish(tune('off', '--yes'))
  end

  # What tune has changed, or would change, in one line.
  def changes
    found = @document.to_h.fetch('changes', []).group_by { |one| one.values_at('key', 'before', 'after') }
    found.map { |what, where| change(*what, where) }.join('; ')
  end

  # Calls tune at this path and returns the JSON object that it prints, whatever it ends with.
  def call(path, *words)
    @called = words.join(' ')
    command = [path, *words, '--format', 'json']
    output = Puppet::Util::Execution.execute(command, failonfail: false, combine: false)
    JSON.parse(output)
  rescue JSON::ParserError
    raise Puppet::Error, "#{path} #{@called}: exit code #{output.exitstatus}, and not the JSON object that tune " \
                         'prints; run it by hand, and see whether it is tune'
  rescue Puppet::ExecutionFailure => e
    raise Puppet::Error, "#{path} cannot be run: #{e.message}"
  end

  # Returns the path of an executable, or nil.
  def find(name)
    places = name.include?('/') ? [] : PLACES
    [name, *places.map { |place| File.join(place, name) }].lazy.map { |file| Puppet::Util.which(file) }.find(&:itself)
  end

  private

  def path
    find(resource[:executable])
  end

  # With noop the package may be about to be installed by the same catalog.
  def not_installed
    unless resource.noop?
      raise Puppet::Error, "tune is not installed: there is no executable #{looked_for}; install it first, or give " \
                           'its path as executable'
    end

    resource.warning('tune is not installed, so it is not known what would be changed')
    :unknown
  end

  def looked_for
    name = resource[:executable]
    name.include?('/') ? name : "#{name} in PATH, #{PLACES.join(', ')}"
  end

  def held?
    return false unless failing(call(path, 'active', *state_dir)).fetch('profiles').include?(resource[:name])

    @document = failing(tune('off', '--check'))
    true
  end

  def tune(command, *words)
    call(path, command, resource[:name], *words, *options(command.to_sym), *state_dir)
  end

  def options(command)
    knows = ->(_, about) { about.include?(command) }
    switches = resource.class::SWITCHES.select(&knows).keys.select { |name| resource[name] }
    lists = resource.class::LISTS.select(&knows).keys
    switches.map { |name| option(name) } +
      lists.flat_map { |name| Array(resource[name]).flat_map { |one| [option(name), one] } }
  end

  def option(name)
    "--#{name.to_s.tr('_', '-')}"
  end

  def state_dir
    resource[:state_dir] ? ['--state-dir', resource[:state_dir]] : []
  end

  # A plan that is refused would fail when it is carried out, so it fails at once.
  def checked(document)
    refusals = failing(document).fetch('refusals')
    return document if refusals.empty?

    report(document['msg'], refusals.map { |one| one['message'] }, refusals.flat_map { |one| one['hints'] })
  end

  def failing(document)
    return document unless document['failed']

    conflicts = document.fetch('conflicts', []).map do |one|
      "#{one['target']} is #{one['found']}, not #{one['expected']} as tune left it; somebody else changed it, and it " \
        'stays'
    end
    report(document['msg'], document.fetch('causes', conflicts), document.fetch('hints', []))
  end

  def report(message, causes, hints)
    parts = [message, *causes.reject { |one| message.include?(one) }, *hints.uniq.map { |one| "hint: #{one}" }]
    raise Puppet::Error, "tune #{@called}: #{parts.join('; ')}"
  end

  def finish(document)
    @document = failing(document)
    document.fetch('warnings', []).each { |text| resource.warning(text) }
    resource.notice('some of it takes hold at the next reboot') if document['reboot_required']
  end

  def change(key, before, after, where)
    layers = where.map { |one| one['scope'] == 'runtime' ? 'running kernel' : 'next boot' }.uniq
    note = layers.size == 1 ? " (#{layers.first} only)" : ''
    "#{key}: #{before || 'unset'} -> #{after || 'unset'}#{note}"
  end
end

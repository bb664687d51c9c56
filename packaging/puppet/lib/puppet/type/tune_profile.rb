# frozen_string_literal: true

require 'puppet/parameter/boolean'

Puppet::Type.newtype(:tune_profile) do
  @doc = <<~DOC
    A profile of tune. Applied: the host satisfies it, now and after the next boot. Absent: tune gives up what the
    profile holds, and the values are what they would be without it.

        tune_profile { 'web-server': }

        tune_profile { 'fin-wait-2-relief':
          ensure       => absent,
        }

    A resource is one profile, looked at with one call of tune. The files of profiles that the catalog manages, and the
    package tune, come first by themselves.
  DOC

  # What tune is told with an option of the same name, - for _; each with the commands that know it.
  const_set(:SWITCHES, {
    runtime_only: [:apply, 'Change the running kernel and leave the boot files alone.'],
    boot_only: [:apply, 'Change the boot files and leave the running kernel alone.'],
    take_over: [:apply, 'Comment out lines of other files that would win at the next boot; reversible.'],
    accept_override: [:apply, 'Go on although a line of another file wins at the next boot.'],
    overwrite_foreign: [:apply, :off, 'Replace also what somebody else has changed since tune wrote it.'],
    skip_unsupported: [:apply, 'Leave out what this system has nothing of.'],
    accept_irreversible: [:apply, 'Accept what cannot be undone before a reboot.'],
    all_or_nothing: [:off, 'Give up nothing where somebody else has changed something.'],
  }.freeze)

  const_set(:LISTS, {
    only: [:apply, 'Only these settings or tunables.'],
    except: [:apply, 'Not these settings or tunables.'],
    allow_unsafe: [:apply, 'Accept dangerous values for these settings or tunables.'],
    replace: [:apply, 'Let what these profiles hold give way.'],
  }.freeze)

  # Where a site keeps profiles.
  const_set(:DIRECTORIES, ['/etc/tune/profiles', '/usr/local/etc/tune/profiles'].freeze)

  newparam(:name, namevar: true) do
    desc 'The name of the profile, or with a / the path of its file.'

    validate do |value|
      raise ArgumentError, "a profile has a name or a path, not #{value.inspect}" unless value =~ %r{\A[\w./][\w./-]*\z}
    end
  end

  newproperty(:ensure) do
    desc 'Whether the host satisfies the profile (applied), or the profile holds nothing (absent).'

    newvalue(:applied) { provider.apply }
    newvalue(:absent) { provider.give_up }
    defaultto :applied

    def retrieve
      provider.state
    end

    # What would be changed belongs into the message, since a run with noop ends with it.
    def is_to_s(value) # rubocop:disable Naming/PredicateName -- Puppet's name
      found = provider.changes
      found.empty? ? super : "#{super} (#{found})"
    end

    def change_to_s(current, wanted)
      found = provider.changes
      found.empty? ? "was #{current}, is #{wanted}" : found
    end
  end

  self::SWITCHES.each do |option, (*, text)|
    newparam(option, boolean: true, parent: Puppet::Parameter::Boolean) { desc text }
  end

  self::LISTS.each do |option, (*, text)|
    newparam(option, array_matching: :all) do
      desc text
      munge { |value| Array(value) }
    end
  end

  newparam(:executable) do
    desc 'The tune to use: its path, or its name where it is to be looked for.'
    defaultto 'tune'
  end

  newparam(:state_dir) do
    desc 'Where tune keeps journals and claims, if not in its usual place.'

    validate do |value|
      next if Puppet::Util.absolute_path?(value)

      raise ArgumentError, "state_dir wants an absolute path, not #{value.inspect}"
    end
  end

  validate do
    if self[:runtime_only] && self[:boot_only]
      raise Puppet::Error, 'runtime_only and boot_only exclude each other: without both, tune changes both'
    end
    if self[:ensure] == :absent && self[:name].include?('/')
      raise Puppet::Error, "ensure => absent wants the name that the profile has in #{self[:name]}, not its path"
    end
  end

  # The package too: naming its type here would load every provider of packages, which takes Puppet a second.
  autorequire(:file) { catalog.resources.select { |one| comes_first?(one) } }

  # What tune is, and what it reads.
  def comes_first?(other)
    case other.type
    when :package then other[:name] == 'tune'
    when :file then needs?(other[:path])
    else false
    end
  end

  def needs?(path)
    [self[:name], self[:executable], self[:state_dir]].include?(path) ||
      self.class::DIRECTORIES.any? { |place| path == place || path.start_with?("#{place}/") }
  end
end

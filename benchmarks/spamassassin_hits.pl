# Every rule that SpamAssassin hits, subrules and metas among them: one mail's path a line on standard input, one line of
# JSON a mail on standard output: {"hits": {"RULE": TIMES, ...}}.  The last line gives CPU seconds of the checking alone.
#
#   perl spamassassin_hits.pl RULES_FOLDER SITE_FOLDER STATE_FOLDER
#
# One process for all mails, local tests only, no Bayes, no user settings.
use strict;
use warnings;
use Mail::SpamAssassin;
use JSON::PP ();

my ($rules, $site, $state) = @ARGV;
my $filter = Mail::SpamAssassin->new({
    rules_filename => $rules, site_rules_filename => $site, local_tests_only => 1, dont_copy_prefs => 1,
    userstate_dir => $state, home_dir_for_helpers => $state, username => "nobody",
    post_config_text => "use_bayes 0\nuse_auto_welcomelist 0\nlock_method flock\nreport_safe 0\ntime_limit 0\n",
});
$filter->init(1);
sub spent { my ($user, $system) = times; return $user + $system }

my $json = JSON::PP->new->canonical->latin1;
$| = 1;
my $cpu = 0;
while (my $path = <STDIN>) {
    chomp $path;
    open my $file, "<:raw", $path or die "$path: $!\n";
    my $raw = do { local $/; <$file> };
    close $file;
    my $start = spent();
    my $mail = $filter->parse(defined $raw ? $raw : "", 1);
    my $status = $filter->check($mail);
    my %hits;
    while (my ($name, $times) = each %{$status->{tests_already_hit}}) {
        $hits{$name} = $times + 0 if $times;
    }
    $status->finish();
    $mail->finish();
    $cpu += spent() - $start;
    print $json->encode({hits => \%hits}), "\n";
}
print $json->encode({cpu_seconds => $cpu}), "\n";
$filter->finish();
